import { assertAlmostEquals, assertEquals } from "../assert.ts";
import { random } from "../fuzz/random.ts";
import { HELLO_LOSS_WINDOW } from "../../src/base/limits.ts";
import { timersOf } from "../../src/base/time.ts";
import { HelloLoss } from "../../src/peers/loss.ts";

const TIMERS = timersOf();

function lossOf(numbers: readonly number[], silent_ms = 0): number | undefined {
  const loss = new HelloLoss(TIMERS);
  for (const number of numbers) loss.arrived(number);
  return loss.share(silent_ms);
}

const CASES: readonly [name: string, numbers: readonly number[], share: number | undefined][] = [
  ["nothing heard", [], undefined],
  ["hellos without a number", [0, 0], undefined],
  ["one", [7], 0],
  ["all of five", [1, 2, 3, 4, 5], 0],
  ["one of four lost", [1, 2, 4], 0.25],
  ["in another order", [1, 3, 2, 4], 0],
  ["twice the same", [1, 2, 2, 4, 4], 0.25],
  ["a late one from before the first", [5, 3, 6], 0],
  ["a gap longer than the window", [1, 2, 100], 1 - 1 / HELLO_LOSS_WINDOW],
  ["numbers near 2^32", [0xffff_fffd, 0xffff_ffff], 1 / 3],
];

for (const [name, numbers, share] of CASES) {
  Deno.test(`loss: ${name}`, () => {
    const got = lossOf(numbers);
    if (share === undefined) assertEquals(got, undefined);
    else assertAlmostEquals(got!, share, 1e-12);
  });
}

Deno.test("loss: those that a newer one has replaced have arrived", () => {
  const loss = new HelloLoss(TIMERS);
  loss.arrived(1);
  loss.arrived(6, 3);
  assertAlmostEquals(loss.share(0)!, 2 / 6, 1e-12, "2 and 3 are lost, 4 and 5 are not");
  loss.arrived(7, 1e9);
  assertEquals(loss.share(0), 0, "a count that cannot be ends somewhere");
});

Deno.test("loss: hellos that are overdue are lost too", () => {
  const full = Array.from({ length: 50 }, (_, i) => i + 1);
  assertEquals(lossOf([1, 2, 3], TIMERS.overdue_ms - 1), 0);
  assertEquals(lossOf([1, 2, 3], TIMERS.overdue_ms), 1 / 4);
  assertEquals(lossOf(full, 4 * TIMERS.hello_ms), 4 / HELLO_LOSS_WINDOW);
  assertEquals(lossOf(full, 1e9), 1);
});

Deno.test("loss: a peer that counts anew starts with none", () => {
  const loss = new HelloLoss(TIMERS);
  for (const number of [90, 95, 99]) loss.arrived(number);
  loss.reset();
  assertEquals(loss.share(0), undefined);
  loss.arrived(2);
  loss.arrived(3);
  assertEquals(loss.share(0), 0);
});

Deno.test("loss: the same as of a list of all that arrived", () => {
  const dice = random(0x1055);
  for (let round = 0; round < 300; round++) {
    const loss = new HelloLoss(TIMERS);
    const arrived = new Set<number>();
    const first = 1 + dice.below(1000);
    let last = first;
    loss.arrived(first);
    arrived.add(first);
    for (let number = first + 1; number < first + 100; number++) {
      if (dice.below(4) === 0) continue;
      // Some are overtaken by a few.
      const shown = Math.max(first, number - (dice.below(5) === 0 ? dice.below(5) : 0));
      loss.arrived(shown);
      arrived.add(shown);
      last = Math.max(last, shown);
      const from = Math.max(first, last - HELLO_LOSS_WINDOW + 1);
      let got = 0;
      for (let n = from; n <= last; n++) if (arrived.has(n)) got++;
      assertAlmostEquals(loss.share(0)!, 1 - got / (last - from + 1), 1e-12);
    }
  }
});
