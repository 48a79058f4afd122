/**
 * Headless Chromium in a network namespace, driven over the DevTools protocol
 * (https://chromedevtools.github.io/devtools-protocol). It speaks through pipes,
 * --remote-debugging-pipe: a port would be the namespace's own.
 */

import { assert } from "../assert.ts";

/** The tests need it, `.ci/run` installs it. */
export const CHROMIUM = "chromium";

/** What the browser says by itself. */
export interface BrowserEvent {
  readonly method: string;
  readonly params: Record<string, unknown>;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/** No service of its own, nothing kept, nothing asked of the network but the page. */
const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  "--hide-scrollbars",
  "--remote-debugging-pipe",
];

/** How long a call may take on a loaded machine. */
const CALL_TIMEOUT_MS = 60_000;

/** One browser with one page. */
export class Chromium implements AsyncDisposable {
  /** All events of the page so far. */
  readonly events: BrowserEvent[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;
  readonly #calls = new Map<number, PromiseWithResolvers<Record<string, unknown>>>();
  #id = 0;
  #session: string | undefined;

  private constructor(child: Deno.ChildProcess, readonly profile: string) {
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    this.#reading = this.#read(child.stdout);
  }

  /** Starts a browser in a namespace, and opens an empty page in it. */
  static async launch(namespace: string): Promise<Chromium> {
    const profile = Deno.makeTempDirSync({ prefix: "tunnet-chromium-" });
    const child = new Deno.Command("ip", {
      args: ["netns", "exec", namespace, "sh", "-c"]
        // The browser reads from descriptor 3 and writes to 4.
        .concat('exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1', "sh", CHROMIUM)
        .concat(FLAGS, `--user-data-dir=${profile}`, "about:blank"),
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const browser = new Chromium(child, profile);
    try {
      const { targetId } = await browser.call("Target.createTarget", { url: "about:blank" });
      const { sessionId } = await browser.call("Target.attachToTarget", {
        targetId,
        flatten: true,
      });
      browser.#session = String(sessionId);
      for (const domain of ["Page", "Runtime", "Network", "Log"]) {
        await browser.call(`${domain}.enable`);
      }
      return browser;
    } catch (error) {
      await browser[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Calls a method of the protocol. Throws with what the browser complains of. */
  async call(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#id;
    const answer = Promise.withResolvers<Record<string, unknown>>();
    this.#calls.set(id, answer);
    const message = { id, method, params, ...(this.#session && { sessionId: this.#session }) };
    await this.#writer.write(new TextEncoder().encode(`${JSON.stringify(message)}\0`));
    const timer = setTimeout(
      () => answer.reject(new Error(`${method}: no answer in ${CALL_TIMEOUT_MS} ms`)),
      CALL_TIMEOUT_MS,
    );
    try {
      return await answer.promise;
    } finally {
      clearTimeout(timer);
      this.#calls.delete(id);
    }
  }

  /** The value of an expression in the page; a promise is waited for. */
  async evaluate<T>(expression: string): Promise<T> {
    const options = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", options);
    assert(exceptionDetails === undefined, `${expression}: ${JSON.stringify(exceptionDetails)}`);
    return (result as { value: T }).value;
  }

  /** Writes what the page looks like to a PNG file. */
  async screenshot(file: string): Promise<void> {
    const options = { format: "png", captureBeyondViewport: true };
    const { data } = await this.call("Page.captureScreenshot", options);
    Deno.writeFileSync(file, Uint8Array.fromBase64(String(data)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Closing its input ends the browser; if not, this does.
    await this.#writer.close().catch(() => {});
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
    await this.#child.status;
    clearTimeout(timer);
    await this.#reading;
    Deno.removeSync(this.profile, { recursive: true });
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of stream) {
      text += decoder.decode(chunk, { stream: true });
      const messages = text.split("\0");
      text = messages.pop()!;
      for (const message of messages) this.#hear(JSON.parse(message));
    }
    for (const { reject } of this.#calls.values()) reject(new Error("the browser has ended"));
  }

  #hear({ id, method, params = {}, result, error }: Message): void {
    if (method !== undefined) {
      this.events.push({ method, params });
      return;
    }
    const call = this.#calls.get(id ?? 0);
    if (error) call?.reject(new Error(error.message));
    else call?.resolve(result ?? {});
  }
}
