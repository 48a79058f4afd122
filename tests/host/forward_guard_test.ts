import { assertEquals, assertMatch } from "../assert.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { libc, SyscallError } from "../../ffi/libc.ts";
import { runProgram } from "../../src/base/run_program.ts";
import { ForwardGuard } from "../../src/host/forward_guard.ts";
import { ForwardTable } from "../../src/host/netlink/nftables.ts";
import { inNewNetns, ownNetns } from "../../src/host/private_netns.ts";
import { logged } from "../fakes/peers.ts";
import { canMakeNamespaces } from "./namespace.ts";

/** A guard over a table that notes what becomes of it, and refuses with `state.errno`. */
function setup() {
  const { log, lines } = logged();
  const done: string[] = [];
  const state: { errno?: number; there: boolean } = { there: false };
  const guard = new ForwardGuard("tunnet0", log, (name) => {
    if (state.errno !== undefined) throw new SyscallError("nf_tables", state.errno);
    done.push(`open ${name}`);
    return {
      make() {
        const made = !state.there;
        state.there = true;
        return made;
      },
      replace: (rules) => void done.push(`${rules.length} rules`),
      remove: () => void done.push("remove"),
    };
  });
  return { guard, done, lines, state };
}

Deno.test("forward guard: one rule for each port of the nodes, made anew only when they change", () => {
  const { guard, done, lines } = setup();
  guard.check();
  guard.cover([3009, 3009, 4000]);
  guard.cover([3009, 4000, 4000]);
  guard.cover([3009]);
  guard.cover(Array.from({ length: 4_096 }, (_, i) => 1 + i));
  guard.check();
  guard.close();
  guard.close();
  assertEquals(done, ["open tunnet-tunnet0", "2 rules", "1 rules", "16 rules", "remove"]);
  assertEquals(lines, []);
});

Deno.test("forward guard: what is there already gets its rules, what is taken away is put back", () => {
  const { guard, done, lines, state } = setup();
  state.there = true;
  guard.cover([3009]);
  state.there = false;
  guard.check();
  guard.check();
  assertEquals(done, ["open tunnet-tunnet0", "1 rules", "1 rules"]);
  assertEquals(lines, ["tunnet: the packet filter tunnet-tunnet0 was put back"]);
});

Deno.test("forward guard: where there is no packet filter it is told once, and nothing else", () => {
  const { guard, done, lines, state } = setup();
  state.errno = ERRNO.EOPNOTSUPP;
  guard.cover([3009]);
  guard.cover([4000]);
  guard.check();
  guard.close();
  assertEquals([done, lines.length], [[], 1]);
  assertMatch(lines[0]!, /this host has no packet filter against that \(.*EOPNOTSUPP/);
});

Deno.test({
  name: "forward guard: the table is what nft reads, and goes at the end",
  ignore: !canMakeNamespaces,
  async fn() {
    const machine = ownNetns();
    // What nft sees of the namespace that the table is in.
    const opened = inNewNetns(machine, () => {
      const namespace = ownNetns();
      const { log, lines } = logged();
      const [killed, table] = ["tunnet-a_20b", "tunnet-a_20b"].map((name) =>
        new ForwardTable(name)
      );
      // As one that was killed has left it.
      killed!.make();
      killed!.replace([]);
      const guard = new ForwardGuard("a b", log, () => table!);
      guard.cover([3009, 4000]);
      guard.cover([3009, 3010]);
      return { namespace, table, lines };
    });
    const ruleset = async () => {
      const path = `/proc/${Deno.pid}/fd/${opened.namespace}`;
      const words = [`--net=${path}`, "nft", "--stateless", "list", "ruleset"];
      const { stdout, stderr } = await runProgram("nsenter", words);
      assertEquals(stderr, "");
      return stdout.split("\n").map((line) => line.trim());
    };
    try {
      assertEquals(opened.lines, []);
      const rule = (port: number) => `udp dport ${port} fib saddr . iif oif 0 counter drop`;
      const lines = await ruleset();
      assertEquals(lines[0], "table inet tunnet-a_20b {");
      assertEquals(lines.filter((line) => line.includes("drop")), [rule(3009), rule(3010)]);
      assertEquals(
        lines.filter((line) => line.startsWith("type")),
        ["type filter hook forward priority raw; policy accept;"],
      );
      opened.table!.remove();
      assertEquals((await ruleset()).join(""), "");
    } finally {
      for (const fd of [machine, opened.namespace]) libc().call.close(fd);
    }
  },
});
