// Copyright 2026 the Hangup authors. MIT license.

/**
 * Options that do not belong where they are given: those of other HTTP clients, and those of a
 * session or a pool. For each, this module says what to use instead.
 *
 * @module
 */

/** For each option of another client, what to use here instead. */
type Names = Readonly<Record<string, string>>;

/** Makes the entries of options whose replacements differ in the name alone. */
function each(names: string[], use: (name: string) => string): Names {
  return Object.fromEntries(names.map((name) => [name, use(name)]));
}

/** The options of other clients. */
const OTHERS: Names = {
  auth: 'the header "authorization", or a URL with a name and password',
  baseURL: 'the session\'s "baseUrl"',
  data: '"json" or "body"',
  files: '"body: formData"',
  form: '"body: new URLSearchParams(…)", or a FormData',
  hooks: "a transport of your own: createTransport()",
  params: '"query"',
  prefixUrl: 'the session\'s "baseUrl"',
  responseType: "a method of the response: json(), bytes(), blob()",
  retry: "isRetriable() and a loop",
  searchParams: '"query"',
  throwHttpErrors: '"throwIfNotOk: true"',
  validateStatus: '"throwIfNotOk: true"',
};

/** The options that a request does not have. */
export const REQUEST_OPTIONS_OF_OTHERS: Names = {
  ...OTHERS,
  ...each(["baseUrl", "cookieJar", "fetch", "pool"], (name) => `the session's "${name}"`),
};

/** The options that a session does not have. */
export const SESSION_OPTIONS_OF_OTHERS: Names = {
  ...OTHERS,
  baseURL: '"baseUrl"',
  prefixUrl: '"baseUrl"',
  client: '"pool: { transport: createTransport() }" with the client\'s options, or give it with a request',
  ...each(["dispatcher", "proxy", "tls"], (name) => `"pool: { transport: createTransport({ ${name} }) }"`),
  ...each(
    ["idleTimeout", "maxConnections", "maxConnectionsPerOrigin", "maxQueued", "transport"],
    (name) => `"pool: { ${name} }"`,
  ),
};

/**
 * Refuses an option that another client has and this one would ignore.
 *
 * @throws {TypeError} If there is such an option. The message names its replacement.
 */
export function refuseForeign(options: object, names: Names): void {
  for (const option in options) {
    if (Object.hasOwn(names, option) && (options as Record<string, unknown>)[option] !== undefined) {
      throw new TypeError(`"${option}" is not an option here: use ${names[option]}`);
    }
  }
}
