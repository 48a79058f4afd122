import { assertEquals, assertRejects, assertThrows } from "../assert.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { RunError } from "../../src/base/errors.ts";
import { HELPER_NAME_ATTEMPTS } from "../../src/base/limits.ts";
import type { LinkInfo, Rtnetlink } from "../../src/host/netlink/rtnetlink.ts";
import { Helper } from "../../src/kernel_path/helper_device.ts";

const NAME = "tunnet0-in";

/** Devices in memory, and a pair of them, which notes what is done. */
function setup(present: readonly Partial<LinkInfo>[] = []) {
  const done: string[] = [];
  const links = new Map(present.map((link) => [link.index!, link]));
  let next = 20;
  const rt = {
    getLink: (which: string | number) =>
      [...links.values()].find(({ index, name }) => index === which || name === which),
    setLink(index: number, { up }: { up?: boolean }) {
      done.push(`up ${index}`);
      links.set(index, { ...links.get(index), up: up! });
    },
  } as unknown as Rtnetlink;
  const pair = {
    connect(name: string, index = next++) {
      done.push(`connect ${name} ${index}`);
      links.set(index, { index, name, kind: "veth", up: false });
    },
    disconnect() {
      done.push("disconnect");
      for (const { index, name } of links.values()) if (name === NAME) links.delete(index!);
    },
  };
  const guard = (index: number) => void done.push(`guard ${index}`);
  return { rt, pair, guard, links, done: () => done.splice(0) };
}

Deno.test("helper: guarded before it receives anything, and removed in the end", () => {
  const { rt, pair, guard, done, links } = setup();
  const helper = Helper.make(rt, pair, NAME, guard);
  assertEquals([helper.name, helper.index], [NAME, 20]);
  assertEquals(done(), [`connect ${NAME} 20`, "guard 20", "up 20"]);
  helper.close();
  assertEquals(done(), ["disconnect"]);
  assertEquals(links.size, 0);
});

Deno.test("helper: made again under its index when it is gone, switched on when it is down", () => {
  const { rt, pair, guard, done, links } = setup();
  const helper = Helper.make(rt, pair, NAME, guard);
  done();
  assertEquals([helper.restore(), done()], [false, []]);
  links.delete(20);
  assertEquals([helper.restore(), done()], [true, [`connect ${NAME} 20`, "guard 20", "up 20"]]);
  links.set(20, { ...links.get(20), up: false });
  assertEquals([helper.restore(), done()], [true, ["up 20"]]);
  assertEquals(helper.restore(), false);
});

Deno.test("helper: a guard that fails leaves no device behind", () => {
  const { rt, pair, links } = setup();
  const guard = () => {
    throw new SyscallError("bpf", ERRNO.EPERM);
  };
  assertThrows(() => Helper.make(rt, pair, NAME, guard), SyscallError);
  assertEquals(links.size, 0);
});

Deno.test("helper: its name is waited for while a device has it, not for ever", async () => {
  const { rt, links } = setup([{ index: 7, name: NAME, kind: "veth" }]);
  let waits = 0;
  const goesAfter = (times: number) => () => {
    if (++waits === times) links.clear();
    return Promise.resolve();
  };
  assertEquals(await Helper.freeName(rt, "tunnet0", goesAfter(3)), NAME);
  assertEquals(waits, 3);
  links.set(7, { index: 7, name: NAME, kind: "bridge" });
  const never = goesAfter(0);
  await assertRejects(() => Helper.freeName(rt, "tunnet0", never), RunError, "another device");
  assertEquals(waits, 3 + HELPER_NAME_ATTEMPTS);
  await assertRejects(() => Helper.freeName(rt, "a-name-too-long"), RunError, "too long");
});
