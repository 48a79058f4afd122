/** The real device, each test in a network namespace that ends with its process. */

import { assertEquals, assertStringIncludes } from "../assert.ts";
import type { SCENARIOS } from "./tun_driver.ts";

type Scenarios = typeof SCENARIOS;

/** What came of a scenario in a namespace of its own. */
async function run<K extends keyof Scenarios>(name: K): Promise<Awaited<ReturnType<Scenarios[K]>>> {
  const driver = new URL("./tun_driver.ts", import.meta.url).pathname;
  const { success, stdout, stderr } = await new Deno.Command("unshare", {
    args: ["--net", Deno.execPath(), "run", "-A", "--no-check", "--unstable-net", driver, name],
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) throw new Error(`${name}: ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

function test(name: string, body: () => Promise<void>): void {
  const isRoot = Deno.uid() === 0;
  Deno.test({ name: isRoot ? name : `SKIPPED, needs root: ${name}`, ignore: !isRoot, fn: body });
}

const NOTHING = { checksum: false, partial: false, tcp4: false, tcp6: false, udp: false };
/** IPv4 and UDP headers around 32 bytes. */
const PACKET = { length: 60, first: 0x45, gso: 0 };

test("tun: packets go out one by one and come in, without offloads", async () => {
  const { vnet, features, out, written, bytes } = await run("plain");
  assertEquals([vnet, features], [false, NOTHING]);
  assertEquals(out, [0, 1, 2].map((last) => ({ ...PACKET, last, flags: 0 })));
  assertEquals([written, bytes], ["ok", [1, 2, 3]]);
});

test("tun: with a virtio header, checksums are left to us and to the kernel", async () => {
  const { vnet, features, out, written, bytes } = await run("vnet");
  assertEquals([vnet, features], [true, {
    ...NOTHING,
    checksum: true,
    partial: true,
    tcp4: true,
  }]);
  assertEquals(out, [{ ...PACKET, last: 0, flags: 1 }]);
  assertEquals([written, bytes], ["ok", [1, 2, 3]]);
});

test("tap: frames go out and come in", async () => {
  const { lengths, first, written } = await run("tap");
  // An ARP request to everybody comes before the packet, which waits for the answer.
  assertEquals([lengths, first, written], [[42], 0xff, "ok"]);
});

test("tun: a write says whether the device is down, or refuses what is no packet", async () => {
  assertEquals(await run("writes"), { down: "down", noPacket: "rejected", good: "ok" });
});

test("tun: a device that is deleted is gone for reads and writes", async () => {
  assertEquals(await run("gone"), { before: 0, read: "gone", written: "gone" });
});

test("tun: what is in the way of a device is said", async () => {
  const { otherMode, busy } = await run("refused");
  assertStringIncludes(otherMode, "is not a tun device");
  assertStringIncludes(busy, "another program has it open");
});

test("tun: queues, as many as wanted or as a present device has", async () => {
  assertEquals(await run("queues"), { distinct: 3, present: 1, one: 1 });
});

test("tun: what a deleted device leaves makes it again, and a failure takes none of it", async () => {
  const { distinct, heard, refused, left } = await run("spare");
  assertEquals([distinct, heard, left], [2, [1, 1], 2]);
  assertStringIncludes(refused, "is not a tun device");
});
