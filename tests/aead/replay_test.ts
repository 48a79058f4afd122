/** The replay window against a set of all counters that have come. */

import { assert, assertEquals, assertFalse } from "../assert.ts";
import { ReplayWindow } from "../../src/aead/replay.ts";
import { REPLAY_WINDOW } from "../../src/base/limits.ts";
import { fuzzMultiplier, random } from "../fuzz/random.ts";

/** Every counter that was taken, and the greatest. */
class Oracle {
  readonly #seen = new Set<number>();
  #greatest = -1;
  accept(counter: number): boolean {
    if (this.#seen.has(counter) || counter <= this.#greatest - REPLAY_WINDOW) return false;
    this.#seen.add(counter);
    this.#greatest = Math.max(this.#greatest, counter);
    return true;
  }
}

const accept = (window: ReplayWindow, counter: number): boolean =>
  window.accept(counter >>> 0, Math.floor(counter / 2 ** 32));

Deno.test("replay: the cases of RFC 6479 and of WireGuard", () => {
  const W = REPLAY_WINDOW;
  const cases: [string, readonly (readonly [number, boolean])[]][] = [
    ["in order, each once", [[0, true], [1, true], [1, false], [0, false], [2, true]]],
    ["backwards", [[9, true], [8, true], [7, true], [7, false], [8, false], [9, false]]],
    ["the edge of the window", [[W, true], [1, true], [0, false], [1, false]]],
    ["beyond the window at once", [[0, true], [W, true], [0, false], [1, true]]],
    ["far ahead, old bits are gone", [
      [0, true],
      [5, true],
      [4 * W + 5, true],
      [4 * W, true],
      [3 * W + 6, true],
      [3 * W + 5, false],
      [5, false],
    ]],
    ["over 2^32", [[2 ** 32 - 1, true], [2 ** 32, true], [2 ** 32 - 1, false], [
      2 ** 32 + 1,
      true,
    ]]],
    ["up to 2^53", [[2 ** 53 - 1, true], [2 ** 53 - 1, false], [2 ** 53 - 2, true]]],
  ];
  for (const [name, steps] of cases) {
    const window = new ReplayWindow();
    for (const [counter, wanted] of steps) {
      assertEquals(accept(window, counter), wanted, `${name}: ${counter}`);
    }
  }
});

Deno.test("replay: from 2^53 on everything is refused", () => {
  const window = new ReplayWindow();
  assertFalse(window.accept(0, 2 ** 21));
  assertFalse(window.accept(0xffffffff, 0xffffffff));
  assertFalse(window.accept(-1, -1), "signed words");
  assert(window.accept(0xffffffff, 2 ** 21 - 1));
  assertFalse(window.accept(-1, 2 ** 21 - 1), "the same, signed");
});

Deno.test("replay: reset forgets", () => {
  const window = new ReplayWindow();
  assert(accept(window, 100_000));
  window.reset();
  assert(accept(window, 0));
  assert(accept(window, 100_000));
});

Deno.test("replay: 200,000 steps of random walks against a set", () => {
  const runs = Math.round(20 * fuzzMultiplier());
  for (let seed = 0; seed < runs; seed++) {
    const dice = random(seed);
    const [window, oracle] = [new ReplayWindow(), new Oracle()];
    let front = dice.pick([0, 1, 2 ** 32 - 5_000, 2 ** 40]);
    const [span, jump] = [dice.pick([3, 100, 9_000, 40_000]), dice.pick([2, 64, 20_000])];
    for (let step = 0; step < 10_000; step++) {
      if (dice.below(4) === 0) front += dice.below(jump);
      const counter = Math.max(0, front - dice.below(span));
      assertEquals(accept(window, counter), oracle.accept(counter), `seed ${seed}, ${counter}`);
    }
  }
});
