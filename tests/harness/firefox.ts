// Copyright 2026 the Hangup authors. MIT license.
//
// The registrar for Firefox, run on Node: a Firefox of the machine's own, over WebDriver BiDi.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { Bidi } from "./bidi.ts";
import { launch, makeHome } from "./launch.ts";
import { runInPage } from "./page.ts";
import { findBrowser } from "./runtimes.ts";

// cspell:ignore newtabpage safebrowsing captivedetect datareporting healthreport OCSP certdb
/** What the browser asks the network for by itself, off. */
const PREFERENCES = {
  "app.normandy.enabled": false,
  "app.update.disabledForTesting": true,
  "browser.newtabpage.enabled": false,
  "browser.region.network.url": "",
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.search.update": false,
  "browser.startup.page": 0,
  "captivedetect.canonicalURL": "",
  "datareporting.healthreport.uploadEnabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "datareporting.usage.uploadEnabled": false,
  "dom.push.connection.enabled": false,
  "extensions.blocklist.enabled": false,
  "extensions.getAddons.cache.enabled": false,
  "extensions.systemAddon.update.enabled": false,
  "extensions.update.enabled": false,
  "geo.provider.network.url": "",
  "media.gmp-manager.updateEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "network.dns.disablePrefetch": true,
  "network.http.speculative-parallel-limit": 0,
  "network.prefetch-next": false,
  // Whatever is not on this machine, names to resolve included, goes to a proxy that does not
  // exist.
  "network.proxy.type": 1,
  "network.proxy.http": "127.0.0.1",
  "network.proxy.http_port": 1,
  "network.proxy.ssl": "127.0.0.1",
  "network.proxy.ssl_port": 1,
  "network.proxy.no_proxies_on": "127.0.0.1, localhost, ::1",
  "network.proxy.failover_direct": false,
  "network.proxy.allow_bypass": false,
  "network.trr.mode": 5, // no DNS over HTTPS
  "security.OCSP.enabled": 0,
  "services.settings.server": "data:,", // remote settings
  "toolkit.telemetry.enabled": false,
  "toolkit.telemetry.server": "",
  "toolkit.telemetry.unified": false,
};

interface Contexts {
  contexts: { context: string }[];
}

const profile = await makeHome();
const preferences = Object.entries(PREFERENCES).map(([name, value]) =>
  `user_pref("${name}", ${JSON.stringify(value)});`
);
await writeFile(join(profile, "user.js"), preferences.join("\n"));
const firefox = await launch(
  profile,
  findBrowser("firefox")!,
  ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0", "--remote-allow-system-access"],
  /WebDriver BiDi listening on (ws:\S+)/,
  // It would crash rather than connect to any machine but this.
  { MOZ_DISABLE_NONLOCAL_CONNECTIONS: "1" },
);
try {
  const bidi = await Bidi.connect(`${firefox.said![1]}/session`);

  // Only the browser's own code can add an authority to trust.
  const { contexts: [chrome] } = await bidi.send<Contexts>("browsingContext.getTree", { "moz:scope": "chrome" });
  const authority = (await readFile(process.env.NODE_EXTRA_CA_CERTS!, "utf8")).replace(/-----[^-]+-----|\s/g, "");
  await bidi.evaluate(
    chrome.context,
    `Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64("${authority}", "CT,,")`,
  );

  const { contexts: [{ context }] } = await bidi.send<Contexts>("browsingContext.getTree", {});
  bidi.onEvent = (_, params) => {
    const { type, text } = params as { type: string; text: string };
    if (type === "console") console.log(text);
  };
  await bidi.send("session.subscribe", { events: ["log.entryAdded"] });
  await runInPage("firefox", {
    open: (url) => bidi.send("browsingContext.navigate", { context, url, wait: "complete" }),
    evaluate: async (expression) => await bidi.evaluate(context, expression) as string,
  });
  bidi.close();
} finally {
  firefox.kill();
}
