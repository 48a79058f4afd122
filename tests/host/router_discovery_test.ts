import { assertEquals, assertThrows } from "../assert.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { deviceSysctl, ignoreRouters } from "../../src/host/router_discovery.ts";

const ACCEPT = "net/ipv6/conf/tunnet0/accept_ra";
const MODE = "net/ipv6/conf/tunnet0/addr_gen_mode";

/** Settings, and what is written to them; those in `refused` cannot be. */
function setup(settings: Record<string, string>, refused: readonly string[] = []) {
  const values = new Map(Object.entries(settings));
  const written: string[] = [];
  const undo = ignoreRouters("tunnet0", {
    read: (name) => values.get(name),
    write: (name, value) => {
      if (refused.includes(name)) throw new SyscallError("open", ERRNO.EACCES);
      values.set(name, value);
      written.push(`${name.split("/").pop()} ${value}`);
    },
  });
  return { values, written, undo };
}

Deno.test("router discovery: switched off, and put back as it was", () => {
  const { values, written, undo } = setup({ [ACCEPT]: "2", [MODE]: "0" });
  assertEquals(written, ["accept_ra 0", "addr_gen_mode 1"]);
  undo();
  assertEquals([values.get(ACCEPT), values.get(MODE)], ["2", "0"]);
});

Deno.test("router discovery: what is off already is left, also at the end", () => {
  const { written, undo } = setup({ [ACCEPT]: "0", [MODE]: "3" });
  undo();
  assertEquals(written, ["addr_gen_mode 1", "addr_gen_mode 3"]);
});

Deno.test("router discovery: what may not be written holds up nothing, nor is it put back", () => {
  const { written, undo } = setup({ [ACCEPT]: "1", [MODE]: "0" }, [ACCEPT]);
  undo();
  assertEquals(written, ["addr_gen_mode 1", "addr_gen_mode 0"]);
});

Deno.test("router discovery: without IPv6 nothing happens, and a device that has gone is no error", () => {
  const { written, undo } = setup({});
  undo();
  assertEquals(written, []);
  const gone: string[] = [];
  const { undo: late } = setup({ [ACCEPT]: "1" }, gone);
  gone.push(ACCEPT);
  late();
});

Deno.test("router discovery: any other error is a bug", () => {
  const write = () => {
    throw new TypeError("a bug");
  };
  assertThrows(() => ignoreRouters("tunnet0", { read: () => "1", write }), TypeError, "a bug");
});

Deno.test("router discovery: the link-local address goes by the device's own configuration", () => {
  const set: unknown[] = [];
  const rt = { setLink: (index: number, change: unknown) => void set.push([index, change]) };
  deviceSysctl(rt, { index: 4 }).write(MODE, "1");
  assertEquals(set, [[4, { addressMode: 1 }]]);
});
