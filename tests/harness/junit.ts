// Copyright 2026 the Hangup authors. MIT license.
import type { Capability, Result } from "./case.ts";

/** What `deno test` says of a test: a contract case, if it comes from that registrar. */
export interface JunitResult extends Result {
  contract: boolean;
}

/**
 * Reads what `deno test --junit-path` wrote: the result of each test and step.
 *
 * A skipped test is a failure, unless its name says which capability Deno lacks for it.
 */
export function parseJunit(xml: string): JunitResult[] {
  const results: JunitResult[] = [];
  for (const [, attributes, content] of xml.matchAll(/<testcase ([^>]*?)>(.*?)<\/testcase>/gs)) {
    const attribute = (name: string) => unescape(new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? "");
    const file = attribute("classname");
    const title = attribute("name");
    const ms = Math.round(Number(attribute("time")) * 1000);
    const contract = file.endsWith("contract_test.ts");
    const [, suite, name, lacks] = /^\[(.*?)\] (.*?)(?: \(lacks (\w+)\))?$/s.exec(title) ?? [];
    const result: JunitResult = contract
      ? { suite, name, ms, contract }
      : { suite: file.split("/").at(-1) ?? file, name: title, ms, contract };
    const [, problem, text] = /<(failure|error|skipped)[^>]*?(?:\/>|>(.*?)<\/\1>)/s.exec(content) ?? [];
    if (problem === "skipped" && lacks) result.lacks = lacks as Capability;
    else if (problem === "skipped") result.error = "Skipped";
    else if (problem) result.error = unescape(text ?? "Canceled: an error escaped from a test of this file");
    results.push(result);
  }
  return results;
}

const entities: Record<string, string> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function unescape(text: string): string {
  return text.replace(/&(\w+|#\d+);/g, (whole, name) => {
    return name.startsWith("#") ? String.fromCodePoint(Number(name.slice(1))) : entities[name] ?? whole;
  });
}
