// Copyright 2026 the Hangup authors. MIT license.
//
// The module as a strict TypeScript project sees it that is no Deno project: checked by `deno task check:consumer`,
// never run. It must use every export.
import * as hangup from "@hangup/session";

export const exported: string[] = Object.keys(hangup);
