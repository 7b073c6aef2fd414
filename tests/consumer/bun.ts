// Copyright 2026 the Hangup authors. MIT license.
//
// The options that Bun adds to `fetch`, as a project with Bun's types gives them: checked by
// `deno task check:consumer`, never run.
import { createTransport, get, type Session, type Transport } from "@hangup/session";

declare const session: Session;
declare const tls: BunFetchRequestInitTLS;
declare const options: BunFetchRequestInit;

const url = "https://example.com/";
get(url, { proxy: "http://proxy.example:3128", tls, unix: "/run/api.sock", verbose: true, decompress: false });
session.fetch(url, { proxy: "http://proxy.example:3128", tls, timeout: false });
export const transport: Transport = createTransport(options);
// @ts-expect-error -- the timeout is the session's, in milliseconds
get(url, { timeout: false });
// @ts-expect-error -- no URL
get(url, { unix: 80 });
