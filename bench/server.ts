// Copyright 2026 the Hangup authors. MIT license.
//
// A server that costs as little as can be: HTTP/1.1 on bare sockets, bodies that are ready, and of a request only its
// path and `Connection: close` are looked at. Prints its port, and exits when its standard input closes.
import { Buffer } from "node:buffer";
import { type AddressInfo, createServer, type Socket } from "node:net";
import process from "node:process";

const MAX_SOCKETS = 16_000;
const MAX_HEAD = 8 * 1024;

/** JSON of exactly so many bytes: records, and a string that fills the rest. */
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

function respond(body: string): Buffer {
  return Buffer.from(
    `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}

const KB = 1024;
const answers = new Map([
  ["/1k", respond(json(KB))],
  ["/64k", respond(json(64 * KB))],
  ["/10m", respond(json(10 * KB * KB))],
  ["/50m", respond(json(50 * KB * KB))],
]);

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
    const answer = answers.get(head.slice(4, head.indexOf(" ", 4)));
    const closing = /\r\nconnection: *close\r\n/i.test(head);
    head = "";
    if (!answer) socket.destroy();
    else if (closing) socket.end(answer);
    else socket.write(answer);
  });
}

const server = createServer(serve);
server.maxConnections = MAX_SOCKETS;
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  console.log((server.address() as AddressInfo).port);
});
process.stdin.on("end", () => process.exit(0)).on("error", () => process.exit(0)).resume();
