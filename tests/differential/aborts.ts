// Copyright 2026 the Hangup authors. MIT license.
//
// What ends early, by whom, and when that is seen.
import {
  ask,
  BROKEN_OFF,
  describeError,
  type Fetch,
  group,
  head,
  latin1,
  type Place,
  read,
  settle,
  type Situation,
  streaming,
} from "./observe.ts";

const REASONS: Record<string, unknown[]> = {
  "no reason": [],
  "an Error": [new RangeError("enough")],
  "a string": ["enough"],
  "null": [null],
  "undefined": [undefined],
  "a number": [0],
};

type Work = (fetch: Fetch, at: Place, controller: AbortController) => Promise<unknown>;

function aborted(name: string, work: Work, unsteady?: RegExp): Situation {
  return { name, unsteady, run: (fetch, at) => work(fetch, at, new AbortController()) };
}

const before: Situation[] = Object.entries(REASONS).flatMap(([name, reason]) => [
  aborted(`before the call, with ${name}`, (fetch, { url }, controller) => {
    controller.abort(...reason);
    const { signal } = controller;
    return ask(() => fetch(`${url}/ok`, { signal }), "text", signal);
  }),
  aborted(`before the headers, with ${name}`, async (fetch, at, controller) => {
    const { signal } = controller;
    const promise = fetch(`${at.url}/hang`, { signal });
    promise.catch(() => {});
    await at.arrived(1);
    controller.abort(...reason);
    return { asked: await ask(() => promise, "text", signal), left: await at.left(1) };
  }),
  aborted(`in the body, with ${name}`, async (fetch, at, controller) => {
    const { signal } = controller;
    const response = await fetch(`${at.url}/stall/100000`, { signal });
    const text = read(response, "text", signal);
    controller.abort(...reason);
    return { text: await text, bodyUsed: response.bodyUsed, left: await at.left(1) };
  }),
]);

const reading: Situation[] = Object.entries({ method: "POST", headers: {}, body: "text", redirect: "follow" }).map(
  ([option, value]) =>
    aborted(`while the option ${option} is read`, (fetch, { url }, controller) => {
      const { signal } = controller;
      const get = () => {
        controller.abort();
        return value;
      };
      const init = Object.defineProperty({ method: "POST", signal }, option, { get, enumerable: true });
      return ask(() => fetch(`${url}/ok`, init), "text", signal);
    }),
);

/** What has come when the abort comes. */
const PATHS: Record<string, string> = {
  "a small body": "/bytes/10",
  "a large body": "/bytes/200000",
  "a chunked body": "/chunked/1000",
  "a body that stalls": "/stall/10?of=50",
  "a large body that stalls": "/stall/200000",
  "no body": "/status/204",
};

const after: Situation[] = Object.entries(PATHS).flatMap(([name, path]) => [
  aborted(`after the headers, ${name}, then text()`, async (fetch, { url }, controller) => {
    const { signal } = controller;
    const response = await fetch(url + path, { signal });
    controller.abort();
    return { head: head(response), text: await read(response, "text", signal), bodyUsed: response.bodyUsed };
  }),
  aborted(`after the headers, ${name}, then a reader`, async (fetch, { url }, controller) => {
    const { signal } = controller;
    const { body } = await fetch(url + path, { signal });
    controller.abort();
    return await settle(() => body?.getReader().read().then(({ done }) => ({ done })), { signal });
  }),
]);

const during: Situation[] = [
  aborted("right after the call", async (fetch, at, controller) => {
    const { signal } = controller;
    const promise = fetch(`${at.url}/bytes/10`, { signal });
    controller.abort();
    return await ask(() => promise, "text", signal);
  }, BROKEN_OFF),
  aborted("a body partly read", async (fetch, { url }, controller) => {
    const { signal } = controller;
    const { body } = await fetch(`${url}/stall/100000`, { signal });
    const reader = body!.getReader();
    const first = await settle(async () => ((await reader.read()).value?.length ?? 0) > 0);
    controller.abort();
    const second = await settle(() => reader.read().then(({ done }) => ({ done })), { signal });
    return { first, second, closed: await settle(() => reader.closed, { signal }) };
  }),
  aborted("a read that waits", async (fetch, at, controller) => {
    const { signal } = controller;
    const { body } = await fetch(`${at.url}/hold?key=a&sent=3`, { signal });
    const reader = body!.getReader();
    const first = await settle(async () => latin1((await reader.read()).value!));
    const second = settle(() => reader.read(), { signal });
    controller.abort(new RangeError("enough"));
    return { first, second: await second, left: await at.left(1) };
  }),
  aborted("after the end", async (fetch, { url }, controller) => {
    const response = await fetch(`${url}/bytes/10`, { signal: controller.signal });
    const text = await response.text();
    controller.abort();
    return { text: text.length, head: head(response) };
  }),
  aborted("after the end of a reader", async (fetch, { url }, controller) => {
    const { signal } = controller;
    const { body } = await fetch(`${url}/bytes/10`, { signal });
    const reader = body!.getReader();
    for (let next = await reader.read(); !next.done;) next = await reader.read();
    controller.abort();
    return { closed: await settle(() => reader.closed), next: await settle(() => reader.read(), { signal }) };
  }),
  aborted("a small body partly read", async (fetch, { url }, controller) => {
    const { signal } = controller;
    const { body } = await fetch(`${url}/bytes/10`, { signal });
    const reader = body!.getReader();
    const first = await settle(async () => (await reader.read()).value?.length);
    controller.abort();
    return { first, second: await settle(() => reader.read().then(({ done }) => ({ done })), { signal }) };
  }, /^second\./), // it depends on time whether the end has come by then
  ...["/bytes/10", "/chunked/10", "/bytes/200000", "/gzip/1000"].map((path) =>
    aborted(`a body before its cancel(): ${path}`, async (fetch, { url }, controller) => {
      const { signal } = controller;
      const { body } = await fetch(url + path, { signal });
      controller.abort();
      return { canceled: await settle(() => body!.cancel(), { signal }) };
    })
  ),
  ...["/bytes/10", "/chunked/10"].map((path) =>
    aborted(`right after text(): ${path}`, async (fetch, { url }, controller) => {
      const { signal } = controller;
      const response = await fetch(url + path, { signal });
      const text = read(response, "text", signal);
      controller.abort();
      return { text: await text };
    })
  ),
  aborted("a clone", async (fetch, { url }, controller) => {
    const { signal } = controller;
    const response = await fetch(`${url}/stall/100000`, { signal });
    const clone = response.clone();
    controller.abort();
    return { first: await read(response, "text", signal), second: await read(clone, "text", signal) };
  }),
  aborted("a clone of a small body that was read", async (fetch, { url }, controller) => {
    const { signal } = controller;
    const response = await fetch(`${url}/bytes/10`, { signal });
    const clone = response.clone();
    const first = await read(response);
    controller.abort();
    return { first, second: await read(clone, "text", signal) };
  }),
  aborted("a body that was canceled", async (fetch, { url }, controller) => {
    const { signal } = controller;
    const response = await fetch(`${url}/stall/100000`, { signal });
    const canceled = await settle(() => response.body?.cancel());
    controller.abort();
    return { canceled, text: await read(response, "text", signal) };
  }),
  aborted("twice, with two reasons", async (fetch, at, controller) => {
    const { signal } = controller;
    const promise = fetch(`${at.url}/hang`, { signal });
    promise.catch(() => {});
    await at.arrived(1);
    controller.abort(new RangeError("first"));
    controller.abort(new SyntaxError("second"));
    return await ask(() => promise, "text", signal);
  }),
  aborted("an upload in memory", async (fetch, at, controller) => {
    const { signal } = controller;
    const promise = fetch(`${at.url}/hang`, { method: "POST", body: "text", signal });
    promise.catch(() => {});
    await at.arrived(1);
    controller.abort();
    return { asked: await ask(() => promise, "text", signal), left: await at.left(1) };
  }),
  aborted("an upload of a stream", async (fetch, at, controller) => {
    const { signal } = controller;
    let cancel = (_: unknown) => {};
    const canceled = new Promise<unknown>((resolve) => cancel = resolve);
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array(10)),
      cancel,
    });
    const promise = fetch(`${at.url}/hang`, streaming(body, { signal }));
    promise.catch(() => {});
    await at.arrived(1);
    controller.abort();
    return {
      asked: await ask(() => promise, "text", signal),
      canceled: await settle(() => canceled, { patience: 500, show: (reason) => reason === signal.reason }),
      left: await at.left(1),
    };
  }),
  aborted("a stream before the call", async (fetch, { url }, controller) => {
    const { signal } = controller;
    controller.abort();
    let cancel = (_: unknown) => {};
    const canceled = new Promise<unknown>((resolve) => cancel = resolve);
    const body = new ReadableStream<Uint8Array>({ cancel });
    const asked = await ask(() => fetch(`${url}/ok`, streaming(body, { signal })), "text", signal);
    return {
      asked,
      canceled: await settle(() => canceled, { patience: 300, show: (reason) => reason === signal.reason }),
    };
  }),
  aborted("a wrong URL", (fetch, _, controller) => {
    controller.abort();
    return ask(() => fetch("http://", { signal: controller.signal }), "text", controller.signal);
  }),
  aborted("a Request's body is used", async (fetch, { url }, controller) => {
    controller.abort();
    const request = new Request(`${url}/ok`, { method: "POST", body: "text", signal: controller.signal });
    return { asked: await ask(() => fetch(request)), used: request.bodyUsed };
  }),
];

/**
 * On Node, the signal of a `Request` no longer aborts once the `Request`, or what it is a clone of,
 * is collected.
 */
const held: Request[] = [];

function hold(request: Request): Request {
  held.push(request);
  return request;
}

/** The ways to give `fetch` a signal. */
const HOLDERS: Record<string, (url: string, signal: AbortSignal) => Parameters<Fetch>> = {
  "a Request": (url, signal) => [hold(new Request(url, { signal }))],
  "a Request, not init": (url, signal) => [hold(new Request(url, { signal })), { headers: { "x-a": "1" } }],
  "init, not the Request": (url, signal) => [new Request(url), { signal }],
  "a Request, and init has another": (
    url,
    signal,
  ) => [hold(new Request(url, { signal })), { signal: new AbortController().signal }],
  "a Request, and init has null": (url, signal) => [hold(new Request(url, { signal })), { signal: null }],
  "a clone of a Request": (url, signal) => [hold(hold(new Request(url, { signal })).clone())],
  "AbortSignal.any()": (url, signal) => [url, { signal: AbortSignal.any([signal, new AbortController().signal]) }],
};

const holders: Situation[] = Object.entries(HOLDERS).flatMap(([name, make]) => [
  aborted(`before the call, a signal of ${name}`, (fetch, { url }, controller) => {
    controller.abort(new RangeError("enough"));
    const args = make(`${url}/ok`, controller.signal);
    return ask(() => fetch(...args), "text", controller.signal);
  }),
  {
    // On Node, nothing keeps the controller of a clone's signal, so a garbage collection before the
    // abort loses the abort, whoever sends the clone.
    timed: name === "a clone of a Request",
    ...aborted(`a small body, by a signal of ${name}`, async (fetch, { url }, controller) => {
      const response = await fetch(...make(`${url}/bytes/10`, controller.signal));
      controller.abort(new RangeError("enough"));
      return await read(response, "text", controller.signal);
    }),
  },
]);

const signals: Situation[] = [
  {
    name: "AbortSignal.timeout() before the headers",
    timed: true,
    async run(fetch, at) {
      const signal = AbortSignal.timeout(300);
      return { asked: await ask(() => fetch(`${at.url}/hang`, { signal }), "text", signal), left: await at.left(1) };
    },
  },
  {
    name: "AbortSignal.timeout() in the body",
    timed: true,
    async run(fetch, { url }) {
      const signal = AbortSignal.timeout(300);
      return await ask(() => fetch(`${url}/stall/100000`, { signal }), "text", signal);
    },
  },
  ...Object.entries({
    "a string": "signal",
    "an object": {},
    "a number": 1,
    "false": false,
    "a controller": new AbortController(),
    "an EventTarget": new EventTarget(),
  }).map(([name, signal]): Situation => ({
    name: `a signal that is ${name}`,
    run: (fetch, { url }) => ask(() => fetch(`${url}/ok`, { signal: signal as AbortSignal })),
  })),
  {
    name: "a signal that looks like one",
    async run(fetch, { url }) {
      const signal = { aborted: false, reason: undefined, addEventListener() {}, removeEventListener() {} };
      return await ask(() => fetch(`${url}/ok`, { signal: signal as unknown as AbortSignal }));
    },
  },
  {
    name: "the error of an abort",
    async run(fetch, { url }) {
      const error = await fetch(`${url}/ok`, { signal: AbortSignal.abort() }).catch((error: unknown) => error);
      const { code } = error as DOMException;
      return { error: describeError(error), code, tag: Object.prototype.toString.call(error) };
    },
  },
];

export const aborts: Situation[] = group("aborts", [
  ...before,
  ...reading,
  ...after,
  ...during,
  ...holders,
  ...signals,
]);
