import { assert, assertEquals } from "../assert.ts";
import { noticeText, unixAddress, watchdogInterval_ms } from "../../src/service/notify.ts";
import { LaneWatchdog } from "../../src/service/lane_watchdog.ts";

Deno.test("notify: what the manager is told", () => {
  const text = (notice: Parameters<typeof noticeText>[0]) => noticeText(notice, () => 12_345n);
  assertEquals(text({ kind: "ready", status: "a: up" }), "READY=1\nSTATUS=a: up");
  assertEquals(
    text({ kind: "reloading" }),
    "RELOADING=1\nMONOTONIC_USEC=12345\nSTATUS=reading the config again",
  );
  assertEquals(text({ kind: "stopping" }), "STOPPING=1\nSTATUS=stopping");
  assertEquals(text({ kind: "watchdog" }), "WATCHDOG=1");
  assertEquals(
    text({ kind: "status", status: "a\nREADY=1" }),
    "STATUS=a READY=1",
    "no line of its own",
  );
});

Deno.test("notify: socket addresses", async (t) => {
  const path = (length: number) => "/" + "x".repeat(length - 1);
  const bytes = (text: string) => Uint8Array.from([1, 0, ...new TextEncoder().encode(text)]);
  const cases: readonly (readonly [string, string, Uint8Array | undefined])[] = [
    ["a path", "/run/n", bytes("/run/n\0")],
    ["an abstract name", "@abc", bytes("\0abc")],
    ["the longest path: 107 bytes and a NUL", path(107), bytes(`${path(107)}\0`)],
    ["one byte more", path(108), undefined],
    ["the longest abstract name", `@${"x".repeat(107)}`, bytes(`\0${"x".repeat(107)}`)],
    ["one byte more", `@${"x".repeat(108)}`, undefined],
    ["bytes count, not letters", `/${"ä".repeat(54)}`, undefined],
    ["a relative path", "run/n", undefined],
    ["vsock, of another kind", "vsock:2:1234", undefined],
    ["nothing", "", undefined],
    ["an abstract name of nothing", "@", undefined],
  ];
  for (const [name, text, expected] of cases) {
    await t.step(name, () => assertEquals(unixAddress(text), expected));
  }
});

Deno.test("notify: half of the watchdog's time, and only if it is ours", async (t) => {
  const cases: readonly (readonly [Record<string, string>, number | undefined])[] = [
    [{}, undefined],
    [{ WATCHDOG_USEC: "30000000" }, 15_000],
    [{ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "42" }, 15_000],
    [{ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "43" }, undefined],
    [{ WATCHDOG_USEC: "1" }, 1],
    ...["0", "-1", "x", "", "1e6", "99999999999999999999"].map((text) =>
      [{ WATCHDOG_USEC: text }, undefined] as const
    ),
  ];
  for (const [env, expected] of cases) {
    await t.step(JSON.stringify(env), () => {
      assertEquals(watchdogInterval_ms((name) => env[name], 42), expected);
    });
  }
});

Deno.test("watchdog: a lane that was woken and has not moved is not alive", () => {
  const watchdog = new LaneWatchdog();
  assert(watchdog.alive([5, 9]), "nothing to compare yet");
  assert(watchdog.alive([6, 10]));
  assert(!watchdog.alive([6, 11]));
  assert(watchdog.alive([7, 11 - 2 ** 32]), "any change counts");
  assert(watchdog.alive([]), "the device is away");
  assert(watchdog.alive([]));
  assert(watchdog.alive([0, 0]), "new lanes");
  assert(!watchdog.alive([0, 1]));
});
