/** What the runner reads of deno's own words. */

import { assertEquals } from "./assert.ts";
import { countsIn, testCases } from "./run.ts";

Deno.test("run: counts in the last line of deno test", async (t) => {
  const cases = [
    ["ok | 3 passed (36 steps) | 0 failed (25s)", 3, 0, 0],
    ["FAILED | 301 passed (171 steps) | 1 failed (31s)", 301, 1, 0],
    ["ok | 1 passed | 0 failed | 4 ignored (2 steps) (1s)", 1, 0, 4],
    ["", 0, 0, 0],
  ] as const;
  for (const [summary, passed, failed, skipped] of cases) {
    await t.step(summary, () => assertEquals(countsIn(summary), { passed, failed, skipped }));
  }
});

Deno.test("run: tests of a JUnit report, without their steps", () => {
  const line = (name: string, time: string) =>
    `<testcase name="${name}" classname="./tests/a_test.ts" time="${time}" line="1" col="2">`;
  const report = [
    line("one", "1.500"),
    line("one &gt; step", "1.000"),
    line("a &gt; b &amp; c", "0.250"),
  ].join("\n");
  const file = "./tests/a_test.ts";
  assertEquals(testCases(report), [
    { name: "one", file, seconds: 1.5 },
    { name: "a > b & c", file, seconds: 0.25 },
  ]);
});
