// Copyright 2026 the Hangup authors. MIT license.
//
// The registrar for WebKit, run on Node: the browser that comes with WebKitGTK, on a display that
// nobody sees, over WebDriver (https://www.w3.org/TR/webdriver2/).
import { writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { launch, makeHome } from "./launch.ts";
import { runInPage } from "./page.ts";
import { findBrowser } from "./runtimes.ts";

// cspell:ignore displayfd nolisten webkitgtk
/** A port that is free now. The driver does not say which it has taken. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const home = await makeHome();
const certificateFile = join(home, "certificate.pem");
await writeFile(certificateFile, process.env.HANGUP_CERTIFICATE!);
const display = await launch(await makeHome(), "Xvfb", ["-displayfd", "1", "-nolisten", "tcp"], /^(\d+)$/);
const port = await freePort();
const env = { DISPLAY: `:${display.said![1]}` };
const driver = await launch(home, findBrowser("webkit")!, [`--port=${port}`], undefined, env);

async function send<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, body: body && JSON.stringify(body) });
  const { value } = await response.json() as { value: T & { error?: string; message?: string } };
  if (!response.ok) throw new Error(`${value.error}: ${value.message}`);
  return value;
}

const isReady = () => send("GET", "/status").then(() => true, () => false);
while (!await Promise.race([isReady(), driver.failed])) await pause(50);
const { sessionId } = await send<{ sessionId: string }>("POST", "/session", {
  capabilities: {
    alwaysMatch: { "webkitgtk:browserOptions": { certificates: [{ host: "127.0.0.1", certificateFile }] } },
  },
});
const session = `/session/${sessionId}`;
await send("POST", `${session}/timeouts`, { script: 120_000 }); // longer than any case takes
await runInPage("webkit", {
  open: (url) => send("POST", `${session}/url`, { url }),
  async evaluate(expression) {
    const script =
      `(${expression}).then((value) => arguments[0]({ value }), (e) => arguments[0]({ error: String(e) }))`;
    const result = await send<{ value?: string; error?: string }>("POST", `${session}/execute/async`, {
      script,
      args: [],
    });
    if (result.error !== undefined) throw new Error(result.error);
    return result.value ?? "";
  },
});
await send("DELETE", session);
driver.kill();
display.kill();
