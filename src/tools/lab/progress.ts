/** What a lab is doing, on a terminal: one line that the next one takes the place of. */

const INTERVAL_MS = 1_000;
const CLEAR = "\r\x1b[K";

/** The line on standard error; nothing where that is no terminal. */
export class Progress implements Disposable {
  readonly #terminal = Deno.stderr.isTerminal();
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Shows the step; how long it takes, once that is a while. */
  say(step: string): void {
    if (!this.#terminal) return;
    clearInterval(this.#timer);
    const start_ms = performance.now();
    const show = () => {
      const passed_s = Math.floor((performance.now() - start_ms) / 1000);
      this.#write(`${CLEAR}${step} ...${passed_s > 0 ? ` ${passed_s} s` : ""}`);
    };
    show();
    this.#timer = setInterval(show, INTERVAL_MS);
  }

  /** Takes the line away. */
  clear(): void {
    if (!this.#terminal || this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#write(CLEAR);
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  #write(text: string): void {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  }
}
