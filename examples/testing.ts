// Copyright 2026 the Hangup authors. MIT license.
//
// Testing code that uses a session: it takes the session as an argument, and the tests give it one
// with a fake `fetch`.
//
//   node --test examples/testing.ts
import assert from "node:assert/strict";
import { test } from "node:test";
import { NetworkError, Session, StatusError } from "@hangup/session";

/** The code under test. */
async function nameOf(session: Session, id: number): Promise<string> {
  const response = await session.get(`users/${id}`, { query: { fields: "name" } });
  const { name } = await response.throwIfNotOk().json<{ name: string }>();
  return name;
}

const baseUrl = "https://example.com/";

test("nameOf() asks for the name of a user", async () => {
  const asked: string[] = [];
  await using session = new Session({
    baseUrl,
    fetch(url, init) {
      asked.push(`${init?.method} ${url}`);
      return Promise.resolve(Response.json({ name: "Ada" }));
    },
  });
  assert.equal(await nameOf(session, 1), "Ada");
  assert.deepEqual(asked, ["GET https://example.com/users/1?fields=name"]);
});

test("nameOf() rejects with what the server says of a user that is not there", async () => {
  await using session = new Session({
    baseUrl,
    fetch: () => Promise.resolve(new Response("No such user", { status: 404 })),
  });
  const error = await nameOf(session, 2).catch((error) => error);
  assert(error instanceof StatusError);
  assert.equal(await error.response.text(), "No such user");
});

test("nameOf() rejects when the network fails", async () => {
  await using session = new Session({ baseUrl, fetch: () => Promise.reject(new Error("unplugged")) });
  await assert.rejects(nameOf(session, 3), NetworkError);
});

test("nameOf() leaves nothing open when the session closes", async () => {
  const session = new Session({ baseUrl, fetch: () => new Promise(() => {}) });
  const name = nameOf(session, 4);
  const [cut] = await Promise.all([session.close(), assert.rejects(name)]);
  assert.deepEqual(cut.map(({ url }) => url), ["https://example.com/users/4?…"]);
});
