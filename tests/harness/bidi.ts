// Copyright 2026 the Hangup authors. MIT license.
//
// As much of a client of WebDriver BiDi (https://w3c.github.io/webdriver-bidi/) as the tests need.

/** A message from the browser: the answer to a command, or an event. */
interface Message {
  id?: number;
  type: "success" | "error" | "event";
  result?: unknown;
  error?: string;
  message?: string;
  method?: string;
  params?: unknown;
}

/** The result of `script.evaluate`. */
export type Evaluated =
  | { type: "success"; result: { value?: unknown } }
  | { type: "exception"; exceptionDetails: { text: string } };

const GONE = "The browser has closed the connection";

/** A connection to a browser. */
export class Bidi {
  /** Called for each event that was subscribed to. */
  onEvent: (method: string, params: unknown) => void = () => {};
  readonly #socket: WebSocket;
  readonly #pending = new Map<number, { resolve(result: unknown): void; reject(error: unknown): void }>();
  #sent = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = () => {
      for (const { reject } of this.#pending.values()) reject(new Error(GONE));
    };
  }

  /** Connects to a browser, and begins a session there. */
  static async connect(url: string): Promise<Bidi> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error(`Cannot connect to ${url}`));
    });
    const bidi = new Bidi(socket);
    await bidi.send("session.new", { capabilities: {} });
    return bidi;
  }

  /** Sends a command. Resolves with its result. */
  send<T = unknown>(method: string, params: object): Promise<T> {
    if (this.#socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error(GONE));
    const id = ++this.#sent;
    return new Promise<T>((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  #receive({ id, type, result, error, message, method = "", params }: Message): void {
    if (type === "event") return this.onEvent(method, params);
    const pending = this.#pending.get(id ?? 0);
    this.#pending.delete(id ?? 0);
    if (type === "success") pending?.resolve(result);
    else pending?.reject(new Error(`${error}: ${message}`));
  }

  /**
   * Evaluates an expression in a context, and resolves with its value, or that of the promise that
   * it is.
   */
  async evaluate(context: string, expression: string): Promise<unknown> {
    const target = { context };
    const evaluated = await this.send<Evaluated>("script.evaluate", { expression, target, awaitPromise: true });
    if (evaluated.type === "success") return evaluated.result.value;
    throw new Error(evaluated.exceptionDetails.text);
  }

  close(): void {
    this.#socket.close();
  }
}
