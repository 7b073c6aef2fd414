import type { Case } from "../harness/case.ts";
import { Session } from "../../mod.ts";
const all: [string, any][] = [["https",{tls:1}],["h2",{tls:1,h2:1}],["untrusted",{tls:"untrusted"}]];
const show = (e: any): string => e instanceof Error ? `${e.constructor.name}|${e.name}|${(e as any).code}|${e.message} <- ${show(e.cause)}` : String(e);
export const cases: Case[] = [...all.map(([n,o]): Case => ({
  name: "probe " + n,
  async run({ openScope }) {
    const scope = await openScope(o);
    let r = "";
    const s = new Session();
    try { const x = await s.get(scope.url + "/bytes/10");  r = "ok " + x.content.length; } catch (e) { r = show(e); }
    await s.close();
    await new Promise(f=>setTimeout(f,100));
    const st = await scope.stats();
    throw new Error("PROBE " + n + " " + r + " accepted=" + st.accepted + " open="+st.open);
  },
})),...["http://nope.invalid/","http://127.0.0.1:9/", "http://[::1]:9/", "https://127.0.0.1:"].map((u): Case => ({ name: "probe "+u, async run({scope}) {
  if (u.startsWith("https")) u += scope.port + "/";
  const s = new Session(); let r = "ok";
  try { await s.get(u); } catch (e) { r = show(e); }
  await s.close();
  throw new Error("PROBE " + u + " " + r);
}}))];
