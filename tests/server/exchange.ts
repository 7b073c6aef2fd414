// Copyright 2026 the Hangup authors. MIT license.

export type Header = [name: string, value: string];

/** Thrown into a route when the client has left, so that no route needs to look. */
export class Gone extends Error {
  override name = "Gone";
}

/** One request and the means to answer it, whatever protocol carries them. */
export interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly headers: readonly Header[];
  readonly socketId: number;
  /** 1 for the first request on its socket. */
  readonly requestOnSocket: number;
  /** Rejects with `Gone` when the client leaves before the response is finished; never resolves. */
  readonly gone: Promise<never>;
  /** The request's body. A route that wants it asks before its first `await`; else it is read and dropped. */
  body(): Promise<Uint8Array>;
  /** Sends the response's head. Without a length the body is chunked. */
  head(status: number, headers?: Header[], length?: number): Promise<void>;
  /** Sends a piece of the body; settles when the socket takes more. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the response. */
  end(): Promise<void>;
  /** Breaks the exchange off: `"now"` drops the socket as it is, `"flushed"` after what was written has left. */
  kill(when: "now" | "flushed"): void;
}
