// Copyright 2026 the Hangup authors. MIT license.
//
// A server that costs as little as possible: HTTP/1.1 on bare sockets, with answers made
// beforehand. It looks only at a request's path and at `Connection: close`. Prints its port, and
// exits when its standard input closes.
//
//   server.ts PATH    with the answer to PATH made at the start
import { Buffer } from "node:buffer";
import { type AddressInfo, createServer, type Socket } from "node:net";
import process from "node:process";
import { gzipSync } from "node:zlib";
import type { Path } from "./rows.ts";

const MAX_SOCKETS = 16_000;
const MAX_HEAD = 8 * 1024;

/** JSON of exactly `size` bytes: records, and a string that fills the rest. */
function json(size: number): string {
  const records: string[] = [];
  for (let length = 100; length < size - 200; length += records.at(-1)!.length + 1) {
    const id = records.length;
    const record = { id, name: `user ${id}`, score: id / 8, active: id % 2 === 0, tags: ["a", "b"] };
    records.push(JSON.stringify(record));
  }
  const open = `[${records.map((record) => `${record},`).join("")}"`;
  return open + "x".repeat(size - open.length - 2) + '"]';
}

/** A response with its head. The body has an announced length, or is in chunks of `chunk` bytes. */
function respond(body: string | Buffer, { chunk, gzip = false }: { chunk?: number; gzip?: boolean } = {}): Buffer {
  const content = gzip ? gzipSync(body) : Buffer.from(body);
  const head = [
    "HTTP/1.1 200 OK",
    "Content-Type: application/json",
    ...(gzip ? ["Content-Encoding: gzip"] : []),
    chunk ? "Transfer-Encoding: chunked" : `Content-Length: ${content.length}`,
  ];
  return Buffer.concat([Buffer.from(head.join("\r\n") + "\r\n\r\n"), chunk ? frame(content, chunk) : content]);
}

/** The body in chunks of `size` bytes, with the last chunk after them. */
function frame(body: Buffer, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const chunk = body.subarray(at, at + size);
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from("\r\n"));
  }
  return Buffer.concat([...parts, Buffer.from("0\r\n\r\n")]);
}

interface Answer {
  readonly response: Buffer;
  /** The time between the request and the response, as if the server were that far away. */
  readonly delay?: number;
}

const KB = 1024;
const MB = 1024 * KB;
/** Each is made on demand, because a row needs only one of them, and some take long. */
const makers: Record<Path, () => Answer> = {
  "/1k": () => ({ response: respond(json(KB)) }),
  "/64k": () => ({ response: respond(json(64 * KB)) }),
  "/10m": () => ({ response: respond(json(10 * MB)) }),
  "/50m": () => ({ response: respond(json(50 * MB)) }),
  "/2k-chunked": () => ({ response: respond(json(2 * KB), { chunk: 2 * KB }) }),
  "/2k-chunked-gzip": () => ({ response: respond(json(2 * KB), { chunk: 2 * KB, gzip: true }) }),
  "/200k-gzip": () => ({ response: respond(json(200 * KB), { gzip: true }) }),
  "/20m-in-1k-chunks": () => ({ response: respond(json(20 * MB), { chunk: KB }) }),
  "/32k-in-1-byte-chunks": () => ({ response: respond(json(32 * KB), { chunk: 1 }) }),
  "/1k-after-1ms": () => ({ response: respond(json(KB)), delay: 1 }),
  "/1k-after-20ms": () => ({ response: respond(json(KB)), delay: 20 }),
};
const answers = new Map<string, Answer>();

function findAnswer(path: string): Answer | undefined {
  const answer = answers.get(path) ?? makers[path as Path]?.();
  if (answer) answers.set(path, answer);
  return answer;
}

function serve(socket: Socket) {
  let head = "";
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("data", (data: Buffer) => {
    head += data.toString("latin1");
    if (!head.endsWith("\r\n\r\n")) {
      if (head.length > MAX_HEAD) socket.destroy();
      return;
    }
    const answer = findAnswer(head.slice(4, head.indexOf(" ", 4)));
    const closing = /\r\nconnection: *close\r\n/i.test(head);
    head = "";
    if (!answer) return void socket.destroy();
    const send = () => closing ? socket.end(answer.response) : socket.write(answer.response);
    if (answer.delay) setTimeout(send, answer.delay);
    else send();
  });
}

// Made before the first request, so that it takes no contender's time.
findAnswer(process.argv[2] ?? "");
const server = createServer(serve);
server.maxConnections = MAX_SOCKETS;
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  console.log((server.address() as AddressInfo).port);
});
process.stdin.on("end", () => process.exit(0)).on("error", () => process.exit(0)).resume();
