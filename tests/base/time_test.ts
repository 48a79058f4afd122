import { assertEquals } from "../assert.ts";
import { timersOf } from "../../src/base/time.ts";
import { FakeTime } from "../fakes/time.ts";

Deno.test("timers: all from the time between two hellos", () => {
  assertEquals(timersOf(), {
    ...{ hello_ms: 5_000, overdue_ms: 6_500, ask_ms: 1_000, silence_ms: 13_000 },
    ...{
      unechoed_ms: 10_500,
      unheard_ms: 14_000,
      health_ms: 1_000,
      resolve_ms: 60_000,
      reopen_ms: 250,
    },
  });
  const [usual, fast] = [timersOf(), timersOf(500)];
  for (const name of Object.keys(usual) as (keyof typeof usual)[]) {
    assertEquals(fast[name], usual[name] / 10, name);
  }
});

Deno.test("fake time: what is due runs in its order, and what awaits it goes on at once", async () => {
  const time = new FakeTime();
  const done: string[] = [];
  const note = (what: string) => void done.push(`${time.now_ms()} ${what}`);
  const timer = time.every(40, () => note("every 40"));
  void time.sleep(50).then(() => note("slept"));
  await time.advance(100);
  timer.cancel();
  await time.advance(100);
  assertEquals([done, time.now_ms()], [["40 every 40", "50 slept", "80 every 40"], 200]);
});
