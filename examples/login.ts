// Copyright 2026 the Hangup authors. MIT license.
//
// Logs in with a form and asks for a page that wants the cookie. The jar gets what the redirect
// sets on its way.
//
//   USER=ada PASSWORD=secret deno run -A examples/login.ts https://example.com/
import process from "node:process";
import { CookieJar } from "tough-cookie";
import { Session } from "@hangup/session";

const [baseUrl = ""] = process.argv.slice(2);
const { USER = "", PASSWORD = "" } = process.env;

await using session = new Session({ baseUrl, cookieJar: new CookieJar() });
const form = new URLSearchParams({ user: USER, password: PASSWORD });
const login = (await session.post("login", { body: form })).throwIfNotOk();
console.log(login.history.map(({ status }) => status), login.status);
const account = (await session.get("account")).throwIfNotOk();
console.log(await account.text());
