// Copyright 2026 the Hangup authors. MIT license.
//
// `await using`, in a file of its own: Node 22 cannot parse it. A bundler lowers it for browsers.
import { type Lease, Pool, Session, type StreamedResponse } from "../../mod.ts";

/** What a scope had, once it has ended. */
export interface Scoped {
  session: Session;
  pool: Pool;
  response: StreamedResponse;
  lease: Lease;
}

/** Opens one of each thing that can be disposed of, and leaves their scope. */
export async function leaveScope(url: string): Promise<Scoped> {
  await using session = new Session();
  await using response = await session.get(url, { prefetch: false });
  await using pool = new Pool();
  using lease = await pool.acquire(url);
  return { session, pool, response, lease };
}
