import { assert, assertEquals, assertStrictEquals } from "../assert.ts";
import { STATUS_REUSE_MAX_MS } from "../../src/base/limits.ts";
import { Snapshots } from "../../src/status/snapshots.ts";
import { statusOf } from "./parts.ts";

/** Snapshots that take so long to make, on a clock of their own. */
function snapshots(cost_ms: number) {
  const seen = { made: 0, now_ms: 0 };
  const make = () => {
    seen.made++;
    seen.now_ms += cost_ms;
    return statusOf();
  };
  return { seen, made: new Snapshots(make, () => seen.now_ms) };
}

Deno.test("snapshots: however often they are asked for, they take a twentieth of the time", () => {
  const { seen, made } = snapshots(5);
  for (; seen.now_ms < 10_000; seen.now_ms += 0.1) made.json();
  assert(seen.made * 5 <= 10_000 / 20 + 5, `${seen.made}`);
  assert(seen.made * 5 > 10_000 / 25, `${seen.made}`);
});

Deno.test("snapshots: none is older than a watcher would notice", () => {
  const { seen, made } = snapshots(1_000);
  const first = made.status();
  seen.now_ms += STATUS_REUSE_MAX_MS - 1;
  assertStrictEquals(made.status(), first);
  seen.now_ms += 1;
  assert(made.status() !== first);
  assertEquals(seen.made, 2);
});

Deno.test("snapshots: texts are made once, and belong to their status", () => {
  const { seen, made } = snapshots(1);
  const json = made.json();
  assertStrictEquals(made.json(), json);
  assertStrictEquals(made.metrics(), made.metrics());
  assertEquals(JSON.parse(new TextDecoder().decode(json)), statusOf());
  assertEquals(seen.made, 1);
  made.forget();
  assert(made.json() !== json);
  assertEquals(seen.made, 2);
});
