// Copyright 2026 the Hangup authors. MIT license.
//
// Every situation. The ideas are those of the suites of the web platform (WPT's fetch/api),
// node-fetch and undici.
import { aborts } from "./aborts.ts";
import { bodies } from "./bodies.ts";
import type { Situation } from "./observe.ts";
import { policies } from "./policies.ts";
import { redirects } from "./redirects.ts";
import { requests } from "./requests.ts";
import { responses } from "./responses.ts";

export const situations: Situation[] = [...requests, ...bodies, ...redirects, ...responses, ...aborts, ...policies];
