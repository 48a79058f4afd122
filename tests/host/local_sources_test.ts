import { assert, assertEquals } from "../assert.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { LocalSources } from "../../src/host/local_sources.ts";
import type { LinkChange, Rtnetlink } from "../../src/host/netlink/rtnetlink.ts";

const SETTING = "net/ipv4/conf/tunnet0/accept_local";

function setup(value: string, refuses = false) {
  const state = { value, there: true, refuses };
  const rt = {
    getLink: () => state.there ? {} : undefined,
    setLink: (index: number, { acceptLocal }: LinkChange) => {
      assertEquals(index, 7);
      if (state.refuses) throw new SyscallError("setLink", ERRNO.EPERM);
      state.value = acceptLocal ? "1" : "0";
    },
  } as unknown as Rtnetlink;
  const read = (name: string) => name === SETTING ? state.value : undefined;
  return { state, sources: new LocalSources(rt, { index: 7, name: "tunnet0" }, read) };
}

Deno.test("local sources: switched on, off and back as it was", () => {
  for (const before of ["0", "1"]) {
    const { state, sources } = setup(before);
    sources.set(true);
    assertEquals([state.value, sources.on], ["1", true]);
    sources.set(false);
    assertEquals([state.value, sources.on], ["0", false]);
    sources.undo();
    assertEquals(state.value, before);
  }
});

Deno.test("local sources: where it is not allowed, it says so; a device that has gone is left", () => {
  const { state, sources } = setup("0", true);
  sources.set(true);
  assert(!sources.on);
  state.refuses = false;
  sources.set(true);
  state.there = false;
  sources.undo();
  assertEquals(state.value, "1");
});
