import { assertEquals, assertThrows } from "../assert.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { RunError } from "../../src/base/errors.ts";
import { HELPER_PORT_FIRST, HELPER_PORTS } from "../../src/base/limits.ts";
import type { LinkInfo, Rtnetlink, VxlanSpec } from "../../src/host/netlink/rtnetlink.ts";
import { Helper } from "../../src/kernel_path/helper_device.ts";

/** Devices in memory, which notes what is done to them; ports below `free` are taken. */
function devices(standing: readonly Partial<LinkInfo>[] = [], free = HELPER_PORT_FIRST) {
  const done: string[] = [];
  const links = new Map<number, Partial<LinkInfo>>([[1, { index: 1, name: "lo", up: true }]]);
  for (const link of standing) links.set(link.index!, link);
  let next = 20;
  const rt = {
    getLink: (which: string | number) =>
      [...links.values()].find(({ index, name }) => index === which || name === which),
    addVxlan({ name, port }: VxlanSpec) {
      if (port < free) throw new SyscallError("addVxlan", ERRNO.EADDRINUSE);
      done.push(`add ${name} ${port}`);
      links.set(next, { index: next++, name, kind: "vxlan" });
    },
    setLink: (index: number) => void done.push(`up ${index}`),
    removeLink(index: number) {
      done.push(`remove ${index}`);
      links.delete(index);
    },
    setIpv4: (index: number, settings: object) =>
      void done.push(`ipv4 ${index} ${JSON.stringify(settings)}`),
  } as unknown as Rtnetlink;
  return { rt, done, links };
}

Deno.test("helper: guarded before it receives anything, and removed in the end", () => {
  const { rt, done, links } = devices();
  const helper = Helper.make(rt, "tunnet0", (index) => void done.push(`guard ${index}`));
  assertEquals([helper.name, helper.port], ["tunnet0-in", HELPER_PORT_FIRST]);
  helper.close();
  assertEquals(done, [
    `add tunnet0-in ${HELPER_PORT_FIRST}`,
    "guard 20",
    "up 20",
    "remove 20",
  ]);
  assertEquals(links.size, 1);
});

Deno.test("helper: a port that is taken is passed by, and when all are, it says so", () => {
  const { rt } = devices([], HELPER_PORT_FIRST + 3);
  assertEquals(Helper.make(rt, "t", () => {}).port, HELPER_PORT_FIRST + 3);
  const { rt: full } = devices([], HELPER_PORT_FIRST + HELPER_PORTS);
  assertThrows(() => Helper.make(full, "t", () => {}), RunError, "are taken");
});

Deno.test("helper: one of a start that crashed is made anew, another device is left alone", () => {
  const crashed = devices([{ index: 7, name: "t-in", kind: "vxlan" }]);
  Helper.make(crashed.rt, "t", () => {});
  assertEquals(crashed.done.slice(0, 2), ["remove 7", `add t-in ${HELPER_PORT_FIRST}`]);
  const other = devices([{ index: 7, name: "t-in", kind: "dummy" }]);
  assertThrows(() => Helper.make(other.rt, "t", () => {}), RunError, "another device");
  assertEquals(other.done, []);
});

Deno.test("helper: a guard that fails leaves no device behind", () => {
  const { rt, links } = devices();
  const guard = () => {
    throw new SyscallError("bpf", ERRNO.EPERM);
  };
  assertThrows(() => Helper.make(rt, "t", guard), SyscallError);
  assertEquals(links.size, 1);
});

Deno.test("helper: what it cannot work with is said before anything is made", () => {
  const { rt, links, done } = devices();
  assertThrows(() => Helper.make(rt, "a-name-too-long", () => {}), RunError, "too long");
  links.set(1, { index: 1, name: "lo", up: false });
  assertThrows(() => Helper.make(rt, "t", () => {}), RunError, "lo is down");
  assertEquals(done, []);
});

Deno.test("helper: a device of its index that is no longer its own stays", () => {
  const { rt, links, done } = devices();
  const helper = Helper.make(rt, "t", () => {});
  links.delete(helper.index);
  links.set(30, { index: 30, name: "t-in", kind: "vxlan" });
  done.length = 0;
  helper.close();
  assertEquals(done, []);
});
