// Copyright 2026 the Hangup authors. MIT license.
//
// How a peer misbehaves: `/fault/NAME` on any scope, or from the accept on where the scope was
// opened with `fault=NAME`. It is raw TCP: each fault writes its own bytes. Nothing here needs a
// runtime, so that the cases and the documentation have the same table.
import { pattern } from "./pattern.ts";

/** The peer's end of a socket. */
export interface Peer {
  /** 1 for the first request on its socket. */
  readonly requestOnSocket: number;
  /** Rejects when the client has left; never resolves. */
  readonly gone: Promise<never>;
  /**
   * Writes bytes, or a character for each; settles when the kernel has them, rejects when the
   * client has left.
   */
  send(data: string | Uint8Array): Promise<void>;
  /** Waits; rejects when the client has left. */
  pause(ms: number): Promise<never | void>;
  /** Ends its own direction after what was sent, and still reads. */
  finish(): void;
  /** Closes both directions. */
  close(): void;
  /** Resets the connection. */
  reset(): void;
  /** Reads no more, or again. */
  read(on: boolean): void;
}

/** A way to misbehave. */
export interface Fault {
  /** What the peer does, in a line. */
  readonly does: string;
  /**
   * Misbehaves. If it resolves, the socket serves further requests. `undefined` where that takes
   * more than a socket.
   */
  readonly run?: (peer: Peer) => Promise<unknown> | void;
  /** Whether it begins at the accept, before any request. */
  readonly atAccept?: boolean;
  /** Whether it begins only when the whole request has arrived. */
  readonly patient?: boolean;
}

/**
 * A step of `/raw`: text to send, a character for each byte; a text to send `n` times; bytes in
 * base64; ms to wait; or what to do with the socket.
 */
export type Step = string | { repeat: string; n: number } | { base64: string } | number | { then: Then };
export type Then = "close" | "finish" | "reset" | "hang";

const fault = (does: string, run: Fault["run"]): Fault => ({ does, run });
const atAccept = (does: string, run?: Fault["run"]): Fault => ({ does, run, atAccept: true });

/** A head. The CORS header is for browsers. */
function head(status: string, ...headers: string[]): string {
  return [`HTTP/1.1 ${status}`, "access-control-allow-origin: *", ...headers, "", ""].join("\r\n");
}

const ok = (...headers: string[]) => head("200 OK", ...headers);
const CHUNKED = "transfer-encoding: chunked";
const HELLO = `${ok("content-length: 5")}hello`;

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Sends a body as gzip, with its right length, under a `content-encoding`. */
async function sendGzip(peer: Peer, coding: string, bytes: Uint8Array) {
  await peer.send(ok(`content-encoding: ${coding}`, `content-length: ${bytes.length}`));
  await peer.send(bytes);
}

/**
 * 50 MB of zeros as gzip, twice over: about 50 KB, so few that a client may take them at once, and
 * less than 1 KB.
 */
const bomb = once(() => gzip(new Uint8Array(50_000_000)));
const doubleBomb = once(async () => await gzip(await bomb()));

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => made ??= make();
}

/** Sends the same again and again, as fast as the client reads. */
async function forEver(peer: Peer, data: string | Uint8Array, gap = 0) {
  for (;;) {
    await peer.send(data);
    await peer.pause(gap);
  }
}

export const faults = {
  // The connection.
  "never-accepts": atAccept("never accepts: its queue of connections is full"),
  "closes-at-accept": atAccept("accepts and closes", (peer) => peer.close()),
  "resets-at-accept": atAccept("accepts and resets", (peer) => peer.reset()),
  "silent-at-accept": atAccept("accepts, and neither reads nor writes", (peer) => peer.gone),
  "speaks-first": atAccept("speaks another protocol, unasked", async (peer) => {
    await peer.send("SSH-2.0-OpenSSH_9.9\r\n");
    await peer.gone;
  }),

  // Before the status line.
  "stalls-before-status": fault("reads the request and says nothing", (peer) => peer.gone),
  "closes-before-status": fault("reads the request and closes", (peer) => peer.close()),
  "resets-before-status": fault("reads the request and resets", (peer) => peer.reset()),
  "half-closes-before-status": fault("reads the request, ends its direction, and goes on reading", async (peer) => {
    peer.finish();
    await peer.gone;
  }),

  // In the head.
  "stalls-in-status": fault("stalls in the status line", async (peer) => {
    await peer.send("HTTP/1.1 20");
    await peer.gone;
  }),
  "stalls-in-headers": fault("stalls in the headers", async (peer) => {
    await peer.send(ok("content-length: 5").slice(0, -2));
    await peer.gone;
  }),
  "drips-headers": fault("sends a header every 20 ms, without end", async (peer) => {
    await peer.send("HTTP/1.1 200 OK\r\n");
    await forEver(peer, "x-a: 1\r\n", 20);
  }),
  "closes-in-headers": fault("closes in the headers", async (peer) => {
    await peer.send(ok("content-length: 5").slice(0, -2));
    peer.finish();
  }),
  "resets-in-headers": fault("resets in the headers", async (peer) => {
    await peer.send(ok("content-length: 5").slice(0, -2));
    await peer.pause(20);
    peer.reset();
  }),
  "garbage": fault("sends bytes that are no HTTP, and closes", async (peer) => {
    await peer.send(Uint8Array.from({ length: 1000 }, (_, i) => (i * 167 + 128) % 256));
    peer.finish();
  }),
  "http-0.9": fault("sends a body without a head, and closes", async (peer) => {
    await peer.send("<html>hello</html>\r\n\r\n");
    peer.finish();
  }),
  "http-2.0": fault("says that it is HTTP/2.0, as text", async (peer) => {
    await peer.send(HELLO.replace("1.1", "2.0"));
  }),
  "http-1.0": fault("answers as HTTP/1.0, and keeps the connection", async (peer) => {
    await peer.send(HELLO.replace("1.1", "1.0"));
  }),
  "status-of-four-digits": fault("sends the status 2000", async (peer) => {
    await peer.send(HELLO.replace("200 OK", "2000 OK"));
  }),
  "status-99": fault("sends the status 099", async (peer) => {
    await peer.send(HELLO.replace("200 OK", "099 Odd"));
  }),
  "endless-header": fault("sends one header without end", async (peer) => {
    await peer.send("HTTP/1.1 200 OK\r\nx-a: ");
    await forEver(peer, "a".repeat(65536));
  }),
  "endless-headers": fault("sends headers without end, as fast as they are read", async (peer) => {
    await peer.send("HTTP/1.1 200 OK\r\n");
    await forEver(peer, "x-a: 1\r\n".repeat(1000));
  }),
  "ten-thousand-headers": fault("sends 10,000 headers", async (peer) => {
    await peer.send(ok("content-length: 5", ...Array.from({ length: 10_000 }, (_, i) => `x-${i}: 1`)) + "hello");
  }),
  "large-headers": fault("sends 100 headers of 1 KB each", async (peer) => {
    const large = Array.from({ length: 100 }, (_, i) => `x-${i}: ${"a".repeat(1000)}`);
    await peer.send(ok("content-length: 5", ...large) + "hello");
  }),
  "header-without-colon": fault("sends a header without a colon", async (peer) => {
    await peer.send(ok("content-length: 5", "no colon here") + "hello");
  }),
  "header-with-nul": fault("sends a header with a NUL", async (peer) => {
    await peer.send(ok("content-length: 5", "x-a: 1\x002") + "hello");
  }),
  "header-folded": fault("folds a header over two lines", async (peer) => {
    await peer.send(ok("content-length: 5", "x-a: 1\r\n 2") + "hello");
  }),
  "space-before-colon": fault("puts a space before the colon of a Content-Length", async (peer) => {
    await peer.send(ok("content-length : 5") + "hello");
    await peer.pause(100);
    peer.finish();
  }),
  "lf-only": fault("ends its lines with LF alone", async (peer) => {
    await peer.send(HELLO.replaceAll("\r\n", "\n"));
  }),

  // Informational responses.
  "early-hints": fault("sends 100 times 103, then the response", async (peer) => {
    await peer.send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(100) + HELLO);
  }),
  "continue-flood": fault("sends 100 Continue every ms, without end", async (peer) => {
    await forEver(peer, "HTTP/1.1 100 Continue\r\n\r\n", 1);
  }),
  "switches-protocols": fault("switches protocols, unasked", async (peer) => {
    await peer.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\nhello");
  }),

  // The length of the body.
  "stalls-in-body": fault("stalls in the body", async (peer) => {
    await peer.send(ok("content-length: 10") + "hello");
    await peer.gone;
  }),
  "stalls-before-body": fault("sends the head, and no body", async (peer) => {
    await peer.send(ok("content-length: 10"));
    await peer.gone;
  }),
  "drips-slowly": fault("sends a byte of the body each second", async (peer) => {
    await peer.send(ok("content-length: 10"));
    await forEver(peer, "a", 1000);
  }),
  "drips-for-ever": fault("sends a byte of the body every 10 ms, without end", async (peer) => {
    await peer.send(ok(CHUNKED));
    await forEver(peer, "1\r\na\r\n", 10);
  }),
  "length-too-long": fault("announces 10 bytes, sends 5 and closes", async (peer) => {
    await peer.send(ok("content-length: 10") + "hello");
    peer.finish();
  }),
  "resets-in-body": fault("announces 10 bytes, sends 5 and resets", async (peer) => {
    await peer.send(ok("content-length: 10") + "hello");
    await peer.pause(20);
    peer.reset();
  }),
  "length-too-short": fault("announces 5 bytes and sends 10", async (peer) => {
    await peer.send(ok("content-length: 5") + "helloworld");
  }),
  "two-lengths": fault("announces 5 bytes and 10, in two headers", async (peer) => {
    await peer.send(ok("set-cookie: a=s3cret", "content-length: 5", "content-length: 10") + "helloworld");
  }),
  "two-equal-lengths": fault("announces 5 bytes twice", async (peer) => {
    await peer.send(ok("content-length: 5", "content-length: 5") + "hello");
  }),
  "length-and-chunked": fault("announces 3 bytes and chunks", async (peer) => {
    await peer.send(ok("content-length: 3", CHUNKED) + "5\r\nhello\r\n0\r\n\r\n");
  }),
  "length-negative": fault("announces -5 bytes", async (peer) => {
    await peer.send(ok("content-length: -5") + "hello");
  }),
  "length-not-a-number": fault("announces 0x5 bytes", async (peer) => {
    await peer.send(ok("content-length: 0x5") + "hello");
  }),
  "length-huge": fault("announces 10^18 bytes, sends 5 and stalls", async (peer) => {
    await peer.send(ok("content-length: 1000000000000000000") + "hello");
    await peer.gone;
  }),
  "no-length": fault("announces no length, sends 5 bytes and closes, as HTTP/1.0 does", async (peer) => {
    await peer.send(ok() + "hello");
    peer.finish();
  }),
  "no-length-reset": fault("announces no length, sends 5 bytes and resets", async (peer) => {
    await peer.send(ok() + "hello");
    await peer.pause(20);
    peer.reset();
  }),

  // Chunks.
  "chunk-size-bad": fault("sends a chunk whose size is no number", async (peer) => {
    await peer.send(ok(CHUNKED) + "5\r\nhello\r\nzz\r\nworld\r\n0\r\n\r\n");
  }),
  "chunk-size-huge": fault("sends a chunk whose size has 20 digits", async (peer) => {
    await peer.send(ok(CHUNKED) + "5\r\nhello\r\nffffffffffffffffffff\r\nworld\r\n0\r\n\r\n");
  }),
  "chunk-size-negative": fault("sends a chunk of -1 bytes", async (peer) => {
    await peer.send(ok(CHUNKED) + "5\r\nhello\r\n-1\r\nworld\r\n0\r\n\r\n");
  }),
  "chunk-too-long": fault("sends a chunk that is longer than its size", async (peer) => {
    await peer.send(ok(CHUNKED) + "5\r\nhelloworld\r\n0\r\n\r\n");
  }),
  "chunk-missing-end": fault("closes after a chunk, without the last one", async (peer) => {
    await peer.send(ok(CHUNKED) + "5\r\nhello\r\n");
    peer.finish();
  }),
  "chunk-cut": fault("closes within a chunk", async (peer) => {
    await peer.send(ok(CHUNKED) + "a\r\nhello");
    peer.finish();
  }),
  "chunk-stalls": fault("stalls within a chunk", async (peer) => {
    await peer.send(ok(CHUNKED) + "a\r\nhello");
    await peer.gone;
  }),
  "chunk-stalls-at-end": fault("stalls before the last chunk", async (peer) => {
    await peer.send(ok(CHUNKED) + "5\r\nhello\r\n");
    await peer.gone;
  }),
  "endless-chunks": fault("sends chunks without end", async (peer) => {
    await peer.send(ok(CHUNKED));
    await forEver(peer, `10000\r\n${"a".repeat(65536)}\r\n`);
  }),
  "endless-chunk-extension": fault("sends a chunk extension without end", async (peer) => {
    await peer.send(ok(CHUNKED) + "5\r\nhello\r\n5;a=");
    await forEver(peer, "a".repeat(65536));
  }),
  "endless-trailers": fault("sends trailers without end", async (peer) => {
    await peer.send(ok(CHUNKED) + "5\r\nhello\r\n0\r\n");
    await forEver(peer, "x-a: 1\r\n".repeat(1000));
  }),

  // Content codings.
  "gzip-bomb": fault("sends 50 MB of zeros as 50 KB of gzip", async (peer) => {
    await sendGzip(peer, "gzip", await bomb());
  }),
  "gzip-bomb-upper-case": fault("sends the same bomb, its coding named GZIP", async (peer) => {
    await sendGzip(peer, "GZIP", await bomb());
  }),
  "gzip-bomb-twice": fault("sends 50 MB of zeros in gzip in gzip, of less than 1 KB", async (peer) => {
    await sendGzip(peer, "gzip, gzip", await doubleBomb());
  }),
  "gzip-bomb-and-identity": fault("sends 50 MB of zeros as gzip, its coding named with identity", async (peer) => {
    await sendGzip(peer, "gzip, identity", await bomb());
  }),
  "gzip-truncated": fault("sends half a gzip stream, with its right length", async (peer) => {
    const bytes = await gzip(pattern(100_000));
    await sendGzip(peer, "gzip", bytes.subarray(0, bytes.length / 2));
  }),
  "gzip-without-trailer": fault("sends a gzip stream without its checksum", async (peer) => {
    await sendGzip(peer, "gzip", (await gzip(pattern(100_000))).slice(0, -8));
  }),
  "gzip-corrupt": fault("sends a gzip stream with wrong bytes in it", async (peer) => {
    const bytes = await gzip(pattern(100_000));
    bytes.fill(0xff, 40, 80);
    await sendGzip(peer, "gzip", bytes);
  }),
  "gzip-wrong-checksum": fault("sends a gzip stream with a wrong checksum", async (peer) => {
    const bytes = await gzip(pattern(100_000));
    bytes[bytes.length - 8]! ^= 1;
    await sendGzip(peer, "gzip", bytes);
  }),
  "gzip-not": fault("says gzip of what is none", async (peer) => {
    await sendGzip(peer, "gzip", new TextEncoder().encode("hello"));
  }),
  "gzip-empty": fault("says gzip of no bytes", async (peer) => {
    await sendGzip(peer, "gzip", new Uint8Array());
  }),
  "unknown-encoding": fault("names a coding that nobody knows", async (peer) => {
    await sendGzip(peer, "x-unknown", new TextEncoder().encode("hello"));
  }),

  // Bodies where there are none, and responses nobody asked for.
  "head-with-body": fault("answers a HEAD with a body", async (peer) => {
    await peer.send(HELLO);
  }),
  "no-content-with-body": fault("sends a body with a 204", async (peer) => {
    await peer.send(`${head("204 No Content", "content-length: 5")}hello`);
  }),
  "not-modified-with-body": fault("sends a body with a 304", async (peer) => {
    await peer.send(`${head("304 Not Modified", "content-length: 5")}hello`);
  }),
  "extra-response": fault("sends two responses to one request", async (peer) => {
    await peer.send(HELLO + HELLO.replace("hello", "wrong"));
  }),
  "late-response": fault("sends a second response 20 ms after the first", async (peer) => {
    await peer.send(HELLO);
    await peer.pause(20);
    await peer.send(HELLO.replace("hello", "wrong"));
  }),

  // Uploads.
  "early-response": fault("answers 413 while the upload goes on, and keeps the connection", async (peer) => {
    await peer.send(`${head("413 Content Too Large", "content-length: 5")}large`);
  }),
  "early-response-close": fault("answers 413 while the upload goes on, and closes", async (peer) => {
    await peer.send(`${head("413 Content Too Large", "content-length: 5", "connection: close")}large`);
    peer.finish();
  }),
  "early-reset": fault("resets while the upload goes on", async (peer) => {
    await peer.pause(5);
    peer.reset();
  }),
  "stops-reading": fault("stops reading the upload", async (peer) => {
    peer.read(false);
    try {
      await peer.pause(600);
    } finally {
      peer.read(true);
    }
    await peer.gone;
  }),

  // Redirects.
  "redirect-loop": fault("redirects to itself", async (peer) => {
    await peer.send(head("302 Found", "location: /fault/redirect-loop", "content-length: 0"));
  }),
  "redirect-to-file": fault("redirects to file:", async (peer) => {
    await peer.send(head("302 Found", "location: file:///etc/passwd", "content-length: 0"));
  }),
  "redirect-to-javascript": fault("redirects to javascript:", async (peer) => {
    await peer.send(head("302 Found", "location: javascript:alert(1)", "content-length: 0"));
  }),
  "redirect-to-data": fault("redirects to data:", async (peer) => {
    await peer.send(head("302 Found", "location: data:,hello", "content-length: 0"));
  }),
  "redirect-malformed": fault("redirects to what is no URL", async (peer) => {
    await peer.send(head("302 Found", "location: http://[1::2/", "content-length: 0"));
  }),
  "redirect-twice": fault("sends two different Locations", async (peer) => {
    await peer.send(head("302 Found", "location: /a", "location: /b", "content-length: 0"));
  }),
  "redirect-with-endless-body": fault("redirects, with a body without end", async (peer) => {
    await peer.send(head("302 Found", "location: /bytes/5", CHUNKED));
    await forEver(peer, `10000\r\n${"a".repeat(65536)}\r\n`);
  }),
  "redirect-with-stalled-body": fault("redirects, with a body that stalls", async (peer) => {
    await peer.send(head("302 Found", "location: /bytes/5", "content-length: 10") + "hello");
    await peer.gone;
  }),
  "redirect-with-reset": fault("redirects, and resets in the body", async (peer) => {
    await peer.send(head("302 Found", "location: /bytes/5", "content-length: 10") + "hello");
    await peer.pause(20);
    peer.reset();
  }),

  // The connection after the response.
  "closes-unannounced": fault("answers, and closes without having said so", async (peer) => {
    await peer.send(HELLO);
    peer.finish();
  }),
  "stays-open": fault("says that it closes, and does not", async (peer) => {
    await peer.send(`${ok("content-length: 5", "connection: close")}hello`);
    await peer.gone;
  }),
  "closes-while-idle": fault("answers, and closes 20 ms later", async (peer) => {
    await peer.send(HELLO);
    await peer.pause(20);
    peer.close();
  }),
  "resets-while-idle": fault("answers, and resets 20 ms later", async (peer) => {
    await peer.send(HELLO);
    await peer.pause(20);
    peer.reset();
  }),
  "closes-when-reused": fault("closes a reused connection as the request arrives", async (peer) => {
    if (peer.requestOnSocket > 1) return peer.close();
    await peer.send(HELLO);
  }),
  "resets-when-reused": fault("resets a reused connection as the request arrives", async (peer) => {
    if (peer.requestOnSocket > 1) return peer.reset();
    await peer.send(HELLO);
  }),
  "half-answers-when-reused": fault("closes a reused connection in the headers", async (peer) => {
    await peer.send(peer.requestOnSocket > 1 ? HELLO.slice(0, 20) : HELLO);
    if (peer.requestOnSocket > 1) peer.finish();
  }),
} satisfies Record<string, Fault>;

export type FaultName = keyof typeof faults;

/**
 * `/raw?head=HTTP/1.1 200 OK&chunk=1024&times=20&body=TEXT`: what no route can send. The head is
 * sent as it is, a byte for each character, then `times` chunks of `chunk` bytes (`times` may be
 * `Infinity`), then the body as it is. By default the head is that of a chunked body, and the body
 * is its end. Chunks leave in pieces of at most 1,000 and 64 KiB.
 */
function rawChunks(query: URLSearchParams): Fault {
  const size = Number(query.get("chunk") ?? 0);
  const times = Number(query.get("times") ?? 0);
  const chunk = `${size.toString(16)}\r\n${"x".repeat(size)}\r\n`;
  const most = Math.max(1, Math.min(1000, Math.floor(64 * 1024 / chunk.length)));
  const whole = new TextEncoder().encode(chunk.repeat(most));
  return fault("sends what it is asked for", async (peer) => {
    const given = query.get("head");
    await peer.send(given === null ? ok(CHUNKED) : `${given}\r\n\r\n`);
    for (let left = times; left > 0; left -= most) {
      await peer.send(left >= most ? whole : whole.subarray(0, left * chunk.length));
      if (size < 1024) await peer.pause(1); // so that a small chunk does not wait to be joined with others
    }
    await peer.send(query.get("body") ?? "0\r\n\r\n");
    if (query.has("close")) peer.finish();
  });
}

/** What `/raw?steps=JSON` does: the steps one after another, once the request has arrived. */
function rawSteps(query: URLSearchParams): Fault {
  const steps: Step[] = JSON.parse(query.get("steps")!);
  const run = async (peer: Peer) => {
    for (const step of steps) {
      if (typeof step === "string") await peer.send(step);
      else if (typeof step === "number") await peer.pause(step);
      else if ("repeat" in step) await peer.send(step.repeat.repeat(step.n));
      else if ("base64" in step) await peer.send(atob(step.base64));
      else if (step.then === "hang") await peer.gone;
      else peer[step.then]();
    }
  };
  return { does: "answers with the bytes that the request asks for", run, patient: true };
}

/** The fault of a name, or of a path such as `/fault/NAME?query`; or what `/raw?query` asks for. */
export function findFault(name: string): Fault | undefined {
  if (name.startsWith("/raw?")) {
    const query = new URLSearchParams(name.slice("/raw?".length));
    return query.has("steps") ? rawSteps(query) : rawChunks(query);
  }
  const key = /^\/fault\/([^?]*)/.exec(name)?.[1] ?? name;
  return Object.hasOwn(faults, key) ? faults[key as FaultName] : undefined;
}
