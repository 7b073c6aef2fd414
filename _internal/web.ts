// Copyright 2026 the Hangup authors. MIT license.

/**
 * Types of the web platform. Those of Node, Bun and Workers do not declare these names as globals.
 *
 * @module
 */

/** What a request's body can be. */
export type BodyInit = NonNullable<RequestInit["body"]>;

/** What headers can be made from. */
export type HeadersInit = NonNullable<RequestInit["headers"]>;

/** What to do with redirects: Fetch standard, section 5.4. */
export type RequestRedirect = NonNullable<RequestInit["redirect"]>;

/** What a request says of the page that it comes from: Fetch standard, section 5.4. Bun and Workers declare none of it. */
export interface Referring {
  mode?: string;
  referrer?: string;
  referrerPolicy?: string;
}

/** The type of a response: Fetch standard, section 5.5. */
export type ResponseType = "basic" | "cors" | "default" | "error" | "opaque" | "opaqueredirect";
