import { assertEquals, assertMatch } from "../assert.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { Forwarding } from "../../src/host/ip_forward.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { logged } from "../fakes/peers.ts";

const IPV4 = "net.ipv4.ip_forward";
const IPV6 = "net.ipv6.conf.all.forwarding";

function setup(subnets: string, settings: Record<string, string>, writable = true) {
  const { config } = parseConfig(
    `nodes:\n  - {name: a, address: 10.0.0.1, subnets: [${subnets}]}\n`,
    "test",
  );
  const { log, lines } = logged();
  const values = new Map(Object.entries(settings));
  const forwarding = new Forwarding(log, {
    read: (name) => values.get(name),
    write: (name, value) => {
      if (!writable) throw new SyscallError("open", ERRNO.EACCES);
      values.set(name, value);
    },
  });
  return { forwarding, values, lines, self: config.nodes[0]! };
}

for (
  const [name, subnets, setting, other] of [
    ["IPv4", "172.16.0.0/24", IPV4, IPV6],
    ["IPv6", "'fd00::/64'", IPV6, IPV4],
  ] as const
) {
  Deno.test(`forwarding: ${name} switched off under the node is told once, and its return`, () => {
    const { forwarding, values, lines, self } = setup(subnets, { [IPV4]: "0", [IPV6]: "0" });
    forwarding.enable(self);
    assertEquals([values.get(setting), values.get(other), lines.length], ["1", "0", 1]);
    for (let i = 0; i < 3; i++) forwarding.check(self);
    assertEquals(lines.length, 1);
    values.set(setting, "0");
    for (let i = 0; i < 3; i++) forwarding.check(self);
    assertEquals([lines.length, values.get(setting)], [2, "0"], "it is left as it is");
    assertMatch(lines[1]!, new RegExp(`${setting} was switched off: ${name} packets .*sysctl -w`));
    // It cannot be read for a while.
    values.delete(setting);
    forwarding.check(self);
    values.set(setting, "1");
    for (let i = 0; i < 3; i++) forwarding.check(self);
    assertEquals(lines.length, 3);
    assertMatch(lines[2]!, /is on again/);
  });
}

Deno.test("forwarding: off from the beginning, it is told once where it was asked for, else never", () => {
  const asked = setup("172.16.0.0/24", { [IPV4]: "0" }, false);
  asked.forwarding.enable(asked.self);
  asked.forwarding.check(asked.self);
  assertEquals(asked.lines.length, 1);
  assertMatch(asked.lines[0]!, /cannot be set/);
  const left = setup("172.16.0.0/24", { [IPV4]: "0" });
  left.forwarding.check(left.self);
  assertEquals([left.lines.length, left.values.get(IPV4)], [0, "0"]);
});

Deno.test("forwarding: what the kernel path needs of the underlay's IP version is told, each change once", () => {
  const { forwarding, values, lines } = setup("172.16.0.0/24", { [IPV4]: "1", [IPV6]: "0" });
  // As often as the node looks at its kernel path.
  const tell = (version: 4 | 6) => {
    for (let i = 0; i < 3; i++) forwarding.tellOfKernelPath(version);
  };
  tell(4);
  assertEquals(lines, []);
  tell(6);
  assertEquals(lines.length, 1);
  assertMatch(lines[0]!, /by the lanes: the kernel path needs net\.ipv6\.conf\.all\.forwarding/);
  // It cannot be read for a while.
  values.delete(IPV6);
  tell(6);
  values.set(IPV6, "0");
  tell(6);
  assertEquals(lines.length, 1);
  values.set(IPV6, "1");
  tell(6);
  assertEquals(lines.length, 2);
  assertMatch(lines[1]!, /net\.ipv6\.conf\.all\.forwarding is on: the kernel path can send/);
  values.set(IPV6, "0");
  tell(6);
  assertEquals(lines.length, 3);
});
