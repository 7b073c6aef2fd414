// Copyright 2026 the Hangup authors. MIT license.

/**
 * Types of the web platform. The type packages of Node, Bun and Workers do not declare these names
 * as globals.
 *
 * @module
 */

/** The body of a request. */
export type BodyInit = NonNullable<RequestInit["body"]>;

/** A value that headers can be made from. */
export type HeadersInit = NonNullable<RequestInit["headers"]>;

/** How to treat redirects: Fetch standard, section 5.4. */
export type RequestRedirect = NonNullable<RequestInit["redirect"]>;

/**
 * The options that say which page a request comes from: Fetch standard, section 5.4. Bun and
 * Workers declare none of them.
 */
export interface Referring {
  mode?: string;
  referrer?: string;
  referrerPolicy?: string;
}

/** The type of a response: Fetch standard, section 5.5. */
export type ResponseType = "basic" | "cors" | "default" | "error" | "opaque" | "opaqueredirect";
