import { assertEquals, assertNotEquals, assertThrows } from "../assert.ts";
import { libc, SyscallError } from "../../ffi/libc.ts";
import { canMakeNamespaces } from "./namespace.ts";
import { openPinnedRtnetlink } from "../../src/host/netlink/linux.ts";
import { inNewNetns, LostNamespace, ownNetns } from "../../src/host/private_netns.ts";

const here = () => Deno.readLinkSync("/proc/thread-self/ns/net");

/** A test that begins in a namespace of its own, of which it gets the descriptor. */
function privateTest(name: string, fn: (own: number) => void): void {
  Deno.test({
    name,
    ignore: !canMakeNamespaces,
    fn() {
      const machine = ownNetns();
      try {
        inNewNetns(machine, () => {
          const own = ownNetns();
          try {
            fn(own);
          } finally {
            libc().call.close(own);
          }
        });
      } finally {
        libc().call.close(machine);
      }
    },
  });
}

privateTest("private netns: what is opened inside stays there, the thread comes back", (own) => {
  const before = here();
  const { rt, inside } = inNewNetns(own, () => ({ rt: openPinnedRtnetlink(), inside: here() }));
  const outside = openPinnedRtnetlink();
  try {
    assertNotEquals(inside, before);
    assertEquals(here(), before);
    rt.addVeth("one", { name: "other", namespaceFd: own, index: 9 }, 7);
    assertEquals([rt.getLink(7)?.name, rt.getLink("other")], ["one", undefined]);
    assertEquals([outside.getLink(9)?.name, outside.getLink("one")], ["other", undefined]);
    rt.removeLink(7);
    assertEquals([rt.getLink(7), outside.getLink(9)], [undefined, undefined]);
  } finally {
    rt.close();
    outside.close();
  }
});

privateTest("private netns: the thread comes back from what fails inside", (own) => {
  const before = here();
  const inside = () => {
    throw new SyscallError("socket", 24);
  };
  assertThrows(() => inNewNetns(own, inside), SyscallError, "EMFILE");
  assertEquals(here(), before);
});

privateTest("private netns: a thread that cannot come back is no place to go on", (own) => {
  const before = here();
  try {
    assertThrows(() => inNewNetns(-1, () => {}), LostNamespace);
    assertNotEquals(here(), before);
  } finally {
    // The tests that follow on this thread are to find it where it was.
    libc().call.setns(own, 0x4000_0000);
  }
  assertEquals(here(), before);
});
