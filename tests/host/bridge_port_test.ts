/** Making a device a port of a bridge and taking that back, in namespaces. */

import { assertEquals, assertStringIncludes } from "../assert.ts";
import { canMakeNamespaces, Namespace } from "./namespace.ts";

function test(name: string, run: (ns: Namespace) => Promise<void>): void {
  Deno.test({ name, ignore: !canMakeNamespaces, fn: () => Namespace.with(run) });
}

/** A tap device and a bridge; the device's index. */
async function setup(ns: Namespace): Promise<number> {
  await ns.ip("tuntap add tap-a mode tap");
  await ns.ip("link add br-a type bridge");
  return (await ns.json<{ ifindex: number }[]>("link show tap-a"))[0]!.ifindex;
}

async function masterOf(ns: Namespace): Promise<string | undefined> {
  return (await ns.json<{ master?: string }[]>("link show tap-a"))[0]!.master;
}

test("a device joins a bridge, is put back, and leaves it", async (ns) => {
  const driver = ns.driver();
  const index = await setup(ns);
  await driver.call("joinBridge", index, "br-a");
  assertEquals(await masterOf(ns), "br-a");
  assertEquals(await driver.call("rejoinBridge"), []);
  await ns.ip("link set tap-a nomaster");
  assertEquals(await driver.call("rejoinBridge"), ["bridge br-a"]);
  assertEquals(await masterOf(ns), "br-a");
  await driver.call("leaveBridge");
  await driver.call("leaveBridge");
  assertEquals(await masterOf(ns), undefined);
});

test("a bridge that was removed and made again gets its port back", async (ns) => {
  const driver = ns.driver();
  const index = await setup(ns);
  await driver.call("joinBridge", index, "br-a");
  await ns.ip("link del br-a");
  assertStringIncludes(await driver.failure("rejoinBridge"), "there is no such bridge");
  await ns.ip("link add br-a type bridge");
  assertEquals(await driver.call("rejoinBridge"), ["bridge br-a"]);
});

test("what is not ours is left alone", async (ns) => {
  const driver = ns.driver();
  const index = await setup(ns);
  await ns.ip("link set tap-a master br-a");
  await driver.call("joinBridge", index, "br-a");
  await driver.call("leaveBridge");
  assertEquals(await masterOf(ns), "br-a", "it was a port before");
  await ns.ip("link set tap-a nomaster");
  await driver.call("joinBridge", index, "br-a");
  await ns.ip("link add br-b type bridge");
  await ns.ip("link set tap-a master br-b");
  assertStringIncludes(await driver.failure("rejoinBridge"), "it is a port of br-b");
  await driver.call("leaveBridge");
  assertEquals(await masterOf(ns), "br-b", "somebody moved it meanwhile");
  await ns.ip("link del tap-a");
  await driver.call("leaveBridge");
  assertEquals(await driver.call("rejoinBridge"), []);
});

test("what cannot be joined is named", async (ns) => {
  const driver = ns.driver();
  const index = await setup(ns);
  await ns.ip("link add veth-a type veth peer name veth-b");
  await ns.ip("tuntap add tun-a mode tun");
  assertEquals(
    await driver.failure("joinBridge", index, "br-x"),
    "RunError: cannot make tap-a a port of br-x (there is no such bridge); " +
      "try: ip link add br-x type bridge, and ip link set br-x up",
  );
  assertStringIncludes(await driver.failure("joinBridge", index, "veth-a"), "that is no bridge");
  // A tun device has no Ethernet header: no bridge takes it.
  const tun = (await ns.json<{ ifindex: number }[]>("link show tun-a"))[0]!.ifindex;
  assertStringIncludes(
    await driver.failure("joinBridge", tun, "br-a"),
    "cannot make tun-a a port of br-a (",
  );
});
