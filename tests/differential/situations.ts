// Copyright 2026 the Hangup authors. MIT license.
//
// Every situation. The ideas are those of the suites of the web platform (WPT's fetch/api), node-fetch and undici.
import { bodies } from "./bodies.ts";
import type { Situation } from "./observe.ts";
import { redirects } from "./redirects.ts";
import { requests } from "./requests.ts";

export const situations: Situation[] = [...requests, ...bodies, ...redirects];
