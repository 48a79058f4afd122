import { assertEquals, assertMatch, assertRejects } from "../assert.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/libc.ts";
import type { RunError } from "../../src/base/errors.ts";
import { SHORTAGE_QUIET_MS } from "../../src/base/limits.ts";
import { guardedTime } from "../../src/base/time.ts";
import { Guard, runAll } from "../../src/node/guard.ts";
import { logged } from "../fakes/peers.ts";
import { FakeTime } from "../fakes/time.ts";

const outOfDescriptors = () => new SyscallError("socket", ERRNO.EMFILE);

function setup() {
  const { log, lines } = logged();
  const time = new FakeTime();
  const ends: RunError[] = [];
  const guard = new Guard({
    log,
    now_ms: () => time.now_ms(),
    end: (error) => void ends.push(error),
  });
  return { guard, lines, ends, time };
}

Deno.test("guard: a timer out of descriptors goes on, and says so once", async () => {
  const { guard, lines, ends, time } = setup();
  let turns = 0;
  guardedTime(time, (error) => guard.inTimer(error)).every(1_000, () => {
    turns++;
    // Short, then well for longer than it is remembered, then short again.
    if (turns <= 30 || turns > 30 + SHORTAGE_QUIET_MS / 1_000) throw outOfDescriptors();
  });
  await time.advance(30_000);
  assertEquals([turns, lines.length, ends.length], [30, 1, 0]);
  assertMatch(lines[0]!, /no descriptor left \(RLIMIT_NOFILE\): socket: EMFILE; the node goes on/);
  await time.advance(SHORTAGE_QUIET_MS + 5_000);
  assertEquals([lines.length, ends.length], [2, 0], "told again when it has come back");
});

const deno = Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" });

const CASES: readonly [string, unknown, { timer: [number, number]; uncaught: [number, number] }][] =
  [
    ["a call of ours", outOfDescriptors(), { timer: [1, 0], uncaught: [1, 0] }],
    ["a call of Deno's", deno, { timer: [1, 0], uncaught: [1, 0] }],
    ["no memory", new SyscallError("bpf", ERRNO.ENOMEM), { timer: [1, 0], uncaught: [1, 0] }],
    ["no device", new SyscallError("x", ERRNO.ENODEV), { timer: [0, 0], uncaught: [0, 1] }],
    ["a bug", new TypeError("x is undefined"), { timer: [0, 1], uncaught: [0, 1] }],
    ["no error at all", "what", { timer: [0, 1], uncaught: [0, 1] }],
  ];

for (const [name, error, { timer, uncaught }] of CASES) {
  Deno.test(`guard: ${name}, as lines told and ends of the node`, () => {
    const one = setup();
    one.guard.inTimer(error);
    one.guard.inTimer(error);
    assertEquals([one.lines.length, one.ends.length], timer);
    const other = setup();
    other.guard.uncaught(error);
    other.guard.uncaught(error);
    assertEquals([other.lines.length, other.ends.length], uncaught);
  });
}

Deno.test("guard: an uncaught error and a rejection end the node with one line", async () => {
  for (const raise of [() => setTimeout(() => raiseBug()), () => void Promise.reject(bug())]) {
    const { guard, ends } = setup();
    const remove = guard.install();
    try {
      raise();
      await new Promise((resolve) => setTimeout(resolve, 10));
    } finally {
      remove();
    }
    assertEquals(ends.length, 1);
    assertMatch(ends[0]!.message, /^a bug in tunnet .* \(nobody catches this\); try: /);
  }
});

const bug = () => new TypeError("nobody catches this");

function raiseBug(): never {
  throw bug();
}

Deno.test("guard: all is done whatever fails, in its order, and the first failure is told", async () => {
  const done: number[] = [];
  await assertRejects(
    () =>
      runAll([
        () => void done.push(1),
        () => Promise.reject(new Error("two")),
        () => {
          throw new Error("three");
        },
        async () => {
          await Promise.resolve();
          done.push(4);
        },
      ]),
    Error,
    "two",
  );
  assertEquals(done, [1, 4]);
});
