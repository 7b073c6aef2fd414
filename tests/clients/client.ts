// Copyright 2026 the Hangup authors. MIT license.
//
// What is asked of every client over `session.fetch`.
import { assert, assertEquals } from "@std/assert";
import { type Session, SessionClosedError } from "../../mod.ts";
import type { Case, TestContext } from "../harness/case.ts";
import { withSession } from "../harness/with_session.ts";
import type { Scope } from "../server/client.ts";

/**
 * Two cases for a client: it does its work over few sockets, and the session is closed in the
 * middle of it.
 *
 * Its error has the session's for a cause, or `tells` of it.
 *
 * One request comes after another, yet Node may open a second socket, as it hands out the end of a
 * body before the socket.
 */
export function client(
  name: string,
  work: (session: Session, t: TestContext) => Promise<void>,
  begin: (session: Session, scope: Scope) => Promise<() => Promise<unknown>>,
  { sockets = 2, tells = /session is closed/ }: { sockets?: number; tells?: RegExp } = {},
): Case[] {
  return [
    withSession(`${name} works over session.fetch`, async (session, t) => {
      await work(session, t);
      // An SDK may still ask for something in the background. That must end by itself, too.
      assertEquals(await session.close({ grace: 2000 }), []);
      assertEquals([session.exchanges(), session.pool.stats().active], [[], 0]);
      const { accepted, requests } = await t.scope.wait({ pending: 0 });
      if (t.can("closesSockets")) assert(accepted <= sockets, `${accepted} sockets for ${requests} requests`);
    }),
    withSession(
      `${name} leaves no socket when the session is closed in mid-stream`,
      async (session, { scope, can }) => {
        const goOn = await begin(session, scope);
        const { length } = session.exchanges();
        assert(length > 0); // an SDK may listen to a second stream
        const rest = goOn().then(() => "resolved", (error) => error);
        assertEquals((await session.close()).length, length);
        await scope.wait(can("closesSockets") ? { open: 0, pending: 0 } : { pending: 0 });
        assertClosed(await rest, tells);
      },
    ),
  ];
}

/** The client rejected with the session's error, or with one of its own about it. */
function assertClosed(error: unknown, tells: RegExp) {
  assert(error instanceof Error, String(error));
  const chain: unknown[] = [];
  // Stripe's errors have a detail for a cause.
  const next = (error: Error & { detail?: unknown }) => error.cause ?? error.detail;
  for (let cause: unknown = error; cause instanceof Error; cause = next(cause)) chain.push(cause);
  const told = chain.some((cause) => cause instanceof SessionClosedError || tells.test(String(cause)));
  assert(told, chain.map(String).join(" < "));
}

/** Reads a stream to its end. */
export async function drain(stream: ReadableStream<Uint8Array>): Promise<void> {
  const reader = stream.getReader();
  while (!(await reader.read()).done);
}

/** A request whose headers never come. */
export async function pending(scope: Scope, promise: PromiseLike<unknown>): Promise<() => Promise<unknown>> {
  const settled = Promise.resolve(promise);
  settled.catch(() => {});
  await scope.wait({ requests: 1 }, 10_000);
  return () => settled;
}
