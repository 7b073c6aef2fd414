// Copyright 2026 the Hangup authors. MIT license.

/**
 * Options that do not belong where they are given: those of other HTTP clients, and those of a
 * session or a pool. For each, this module says what to use instead.
 *
 * @module
 */

/** For each option of another client, what to use here instead. */
type Names = Readonly<Record<string, string>>;

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
  baseUrl: 'the session\'s "baseUrl"',
  cookieJar: 'the session\'s "cookieJar"',
  fetch: 'the session\'s "fetch"',
  pool: 'the session\'s "pool"',
};

/** The options that a session does not have. */
export const SESSION_OPTIONS_OF_OTHERS: Names = {
  ...OTHERS,
  baseURL: '"baseUrl"',
  prefixUrl: '"baseUrl"',
  client: '"pool: { transport: createTransport() }" with the client\'s options, or give it with a request',
  dispatcher: '"pool: { transport: createTransport({ dispatcher }) }"',
  idleTimeout: '"pool: { idleTimeout }"',
  maxConnections: '"pool: { maxConnections }"',
  maxConnectionsPerOrigin: '"pool: { maxConnectionsPerOrigin }"',
  maxQueued: '"pool: { maxQueued }"',
  proxy: '"pool: { transport: createTransport({ proxy }) }"',
  tls: '"pool: { transport: createTransport({ tls }) }"',
  transport: '"pool: { transport }"',
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
