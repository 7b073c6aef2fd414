// Copyright 2026 the Hangup authors. MIT license.

/**
 * The runtimes' own errors: what they say, and what they must not show.
 *
 * @module
 */

/**
 * What keeps a request from being sent, by the codes of Node's and Bun's errors and the words of Deno's, which have a space
 * where they could else be part of a URL. Other failures tell nothing.
 */
const FAILURES: readonly [what: string, code: RegExp, words: RegExp][] = [
  // Before 1.4 Bun had ConnectionRefused; on Windows Deno has the number.
  ["The server refuses connections", /^E?conn(?:ection)?refused$/i, /Connection refused|os error 10061/],
  ["The host name does not resolve", /^ENOTFOUND$|^EAI_/, /dns error: /],
  // Not Node's ERR_SSL_…, which the server says of the client's.
  ["The server's certificate is not trusted", /^(?!ERR_SSL_).*CERT|^UNABLE_TO_VERIFY/, /invalid peer certificate: /],
  [
    "The server does not speak TLS, or refuses the handshake",
    /^EPROTO$|^ERR_SSL_.*(?:_VERSION|HANDSHAKE)/,
    /\(Connect\): received (?:corrupt|fatal)/,
  ],
  ["The program has no permission to reach the server", /^ERR_ACCESS_DENIED$/, /^Requires net access /],
  // Not EHOSTUNREACH and the like, as an open connection can be lost with them too.
  [
    "Cannot connect to the server",
    /^UND_ERR_CONNECT_/,
    /client error \(Connect\)|^connect E|Unable to connect|typo in the url/,
  ],
];

/** Whether it is certain that the request was not sent. On Bun all that goes wrong with TLS is EPROTO, at any time. */
export function neverSent(cause: unknown): boolean {
  return explain(cause) !== undefined && (cause as { code?: unknown }).code !== "EPROTO";
}

/** What a runtime's own error says, where that is known. */
export function explain(cause: unknown): string | undefined {
  // Where a host has several addresses, Node has an error for each.
  for (let error = cause; error instanceof Error; error = error.cause ?? (error as AggregateError).errors?.[0]) {
    const { message, code = "" } = error as Error & { code?: string };
    const known = FAILURES.find(([, codes, words]) => codes.test(code) || words.test(message));
    if (known !== undefined) return known[0];
  }
}

/**
 * Takes the query out of a runtime's own error, which may quote the URL whole: Deno does in its message, Bun in a field.
 * Node's parser quotes the response's head, with its cookies.
 *
 * @param cause What was thrown; changed in place, with its causes.
 * @param url The URL that was asked for. It has no credentials.
 */
export function hideSecrets(cause: unknown, { search, hash }: URL): void {
  for (let error = cause; error instanceof Error; error = error.cause) {
    if ("data" in error && /^HPE_/.test(String((error as { code?: unknown }).code))) {
      Reflect.deleteProperty(error, "data");
    }
    for (const key of new Set(["message", "stack", ...Object.keys(error)])) {
      const value = Reflect.get(error, key);
      if (typeof value !== "string") continue;
      let shown = hash === "" ? value : value.replaceAll(hash, "");
      if (search !== "") shown = shown.replaceAll(search, "?…");
      if (shown !== value) Reflect.set(error, key, shown);
    }
  }
}
