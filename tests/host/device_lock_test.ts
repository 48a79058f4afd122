import { assert, assertEquals, assertThrows } from "../assert.ts";
import { libc } from "../../ffi/libc.ts";
import { RunError } from "../../src/base/errors.ts";
import { areOthers, lockDevice } from "../../src/host/device_lock.ts";
import { inNewNetns, ownNetns } from "../../src/host/private_netns.ts";
import { canMakeNamespaces } from "./namespace.ts";

const deviceName = () => `t${crypto.randomUUID().slice(0, 8)}`;

const yes = () => true;
const no = () => false;

/** Another process that holds a device's lock, as a user; it ends with `stdin`. */
async function holder(device: string, uid: number): Promise<Deno.ChildProcess> {
  const words = ["--reuid", `${uid}`, "--clear-groups", "socat", "-d", "-d"];
  const child = new Deno.Command("setpriv", {
    args: [...words, `ABSTRACT-LISTEN:tunnet/device/${device},fork,unix-tightsocklen=1`, "STDIN"],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
    detached: true,
  }).spawn();
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  for (let said = ""; !said.includes("listening on");) {
    const { value, done } = await reader.read();
    assert(!done, said);
    said += value;
  }
  await reader.cancel();
  return child;
}

/** Kills it with what it has forked for each who asked: they hold its socket too. */
async function end(child: Deno.ChildProcess): Promise<void> {
  Deno.kill(-child.pid, "SIGKILL");
  await child.stdin.close().catch(() => {});
  await child.status;
}

Deno.test("lock: of one device once, of two devices both, and again when it was given up", async () => {
  const [one, other] = [deviceName(), deviceName()];
  const first = lockDevice(one, yes);
  using _other = lockDevice(other, yes);
  assertThrows(
    () => lockDevice(one, yes),
    RunError,
    `cannot use the device ${one} (the tunnet with process id ${Deno.pid} has it); ` +
      `try: tunnet status --device ${one}`,
  );
  // A name that begins like it is another one.
  using _longer = lockDevice(`${one}x`, yes);
  first![Symbol.dispose]();
  // A program that another test starts just now has it, too, until it is that program.
  const free = () => {
    try {
      lockDevice(one, yes)![Symbol.dispose]();
      return true;
    } catch (error) {
      if (error instanceof RunError) return false;
      throw error;
    }
  };
  for (let attempt = 0; !free(); attempt++) {
    assert(attempt < 500, "it stays taken");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
});

Deno.test({
  name: "lock: others in this network namespace are seen, oneself is not",
  ignore: !canMakeNamespaces,
  fn() {
    const machine = ownNetns();
    try {
      inNewNetns(machine, () => {
        using _one = lockDevice("a", no);
        assert(!areOthers("a"));
        assert(areOthers("b"));
        using _other = lockDevice("ab", no);
        assert(areOthers("a") && areOthers("ab"));
      });
    } finally {
      libc().call.close(machine);
    }
  },
});

Deno.test("lock: however many ask, it is refused", () => {
  const device = deviceName();
  using _lock = lockDevice(device, yes);
  for (let i = 0; i < 200; i++) assertThrows(() => lockDevice(device, yes), RunError, "has it");
});

Deno.test("lock: it goes with a process that is killed", async () => {
  const device = deviceName();
  const child = await holder(device, 0);
  assertThrows(() => lockDevice(device, no), RunError, `process id ${child.pid} has it`);
  await end(child);
  // Nobody tells when the last of those that it has forked is gone.
  const deadline_ms = performance.now() + 5_000;
  let lock: Disposable | undefined;
  while (!lock) {
    try {
      lock = lockDevice(device, no);
    } catch (error) {
      if (!(error instanceof RunError) || performance.now() > deadline_ms) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  lock[Symbol.dispose]();
});

Deno.test("lock: of an ordinary user, it counts where there is a device", async () => {
  const device = deviceName();
  const child = await holder(device, 65_534);
  assertThrows(() => lockDevice(device, yes), RunError, "of user 65534, has it");
  assertEquals(lockDevice(device, no), undefined);
  await end(child);
});
