import { assert, assertEquals } from "../assert.ts";
import { OutputQueue } from "../../src/base/output_queue.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** A writer that takes a few bytes at a time, and only when it is let. */
class SlowWriter {
  taken = "";
  #gate = Promise.withResolvers<void>();
  readonly write = async (piece: Uint8Array): Promise<number> => {
    await this.#gate.promise;
    const count = Math.min(3, piece.length);
    this.taken += new TextDecoder().decode(piece.subarray(0, count));
    return count;
  };
  open(): void {
    this.#gate.resolve();
  }
}

const raise = (error: unknown) => {
  throw error;
};

Deno.test("output queue: everything in order, through a writer that takes a few bytes", async () => {
  const writer = new SlowWriter();
  writer.open();
  const queue = new OutputQueue(writer.write, 1000, raise);
  for (let i = 0; i < 100; i++) assert(queue.push(bytes(`${i},`)));
  assert(await queue.drain(5_000));
  assertEquals(writer.taken, Array.from({ length: 100 }, (_, i) => `${i},`).join(""));
  assertEquals(queue.dropped, 0);
});

Deno.test("output queue: a stuck reader costs pieces beyond the bound, whole ones, counted", async () => {
  const writer = new SlowWriter();
  const queue = new OutputQueue(writer.write, 50, raise);
  const taken = Array.from({ length: 20 }, (_, i) => queue.push(bytes(`line ${i % 10}\n`)));
  assertEquals(taken.filter((one) => one).length, 7);
  assertEquals(queue.dropped, 13);
  assertEquals(await queue.drain(10), false);
  writer.open();
  assert(await queue.drain(5_000));
  assertEquals(writer.taken.split("\n").length, 8);
  // There is room again.
  assert(queue.push(bytes("again\n")));
  assert(await queue.drain(5_000));
  assert(writer.taken.endsWith("again\n"));
});

Deno.test("output queue: a task runs between what was before and what came after", async () => {
  const writer = new SlowWriter();
  writer.open();
  const queue = new OutputQueue(writer.write, 1000, raise);
  queue.push(bytes("before "));
  queue.between(() => {
    writer.taken += "between ";
    return Promise.resolve();
  });
  queue.push(bytes("after"));
  assert(await queue.drain(5_000));
  assertEquals(writer.taken, "before between after");
});

Deno.test("output queue: an error is told once, and nothing is taken afterwards", async () => {
  const errors: unknown[] = [];
  const broken = new Error("gone");
  const queue = new OutputQueue(() => Promise.reject(broken), 1000, (e) => errors.push(e));
  queue.push(bytes("a"));
  assert(await queue.drain(5_000));
  assertEquals(queue.push(bytes("b")), false);
  queue.between(() => Promise.reject(new Error("never run")));
  assert(await queue.drain(5_000));
  assertEquals([errors, queue.dropped], [[broken], 0]);
});
