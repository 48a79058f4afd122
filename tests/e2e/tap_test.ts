/** Mode tap: the pods of all nodes are stations of one Ethernet. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { frame } from "../fakes/frames.ts";
import { ipv4 } from "../fakes/packets.ts";
import { MAC_AGEING_S, MAC_LEARNED_MAX, MAC_LEARNS_PER_S } from "../../src/base/limits.ts";
import type { LabProcess } from "../../src/tools/lab/process.ts";
import { Bed, until } from "./harness.ts";

const BYTES = 100_000_000;

async function macOf(bed: Bed, pod: number): Promise<string> {
  const { stdout } = await bed.inPod(pod, "cat", "/sys/class/net/eth0/address");
  return stdout.trim();
}

async function inPod(bed: Bed, pod: number, words: string): Promise<string> {
  const { code, stdout, stderr } = await bed.inPod(pod, ...words.split(" "));
  assertEquals(code, 0, `${words}: ${stderr}`);
  return stdout;
}

/** Gives pod `to` the MAC address and the IPv4 address of another one, and lets it speak. */
async function takeOver(bed: Bed, to: number, mac: string, address: string): Promise<void> {
  await inPod(bed, to, "ip link set eth0 down");
  await inPod(bed, to, `ip link set eth0 address ${mac}`);
  await inPod(bed, to, "ip addr flush dev eth0");
  await inPod(bed, to, "ip link set eth0 up");
  await inPod(bed, to, `ip addr add ${address}/24 dev eth0`);
  await inPod(bed, to, `busybox arping -A -c 1 -I eth0 ${address}`);
}

Deno.test("two nodes, one subnet: ping, IPv6, TCP both ways with equal checksums, DHCP", async (t) => {
  await using bed = await Bed.create({ mode: "tap", ipv6: true });
  const before = await bed.state(0);
  const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
  // What stations have by themselves; the path carries 1,454.
  assertMatch(a.log, /"mtu_bytes":1500/);
  await t.step("ping and IPv6", async () => {
    // No router between them: the TTL is as it was sent.
    assertMatch(await bed.ping(0, 1), /ttl=64/);
    await bed.ping(1, 0);
    await bed.ping(0, 1, "-s", "8000");
    await bed.ping(0, 1, "-M", "do", "-s", "1426");
    await bed.ping(0, 1, bed.podAddress(1, 6));
    // As behind any router, the first one is answered with what fits.
    for (const [from, to] of [[0, 1], [1, 0]] as const) {
      const large = ["ping", "-n", "-c", "1", "-W", "3", "-s", "8000", bed.podAddress(to, 6)];
      assertMatch((await bed.inPod(from, ...large)).stdout, /Packet too big: mtu=1458/);
    }
    await bed.ping(1, 0, bed.podAddress(0, 6), "-s", "8000");
  });
  await t.step("TCP both ways at once", async () => {
    const { path, sha256 } = await bed.randomFile(BYTES);
    const arrived = await Promise.all([
      bed.transfer(0, 1, path),
      bed.transfer(1, 0, path, 4, 5002),
    ]);
    assertEquals(arrived, [sha256, sha256]);
    const small = await bed.randomFile(20_000_000);
    assertEquals(await bed.transfer(0, 1, small.path, 6), small.sha256);
  });
  await t.step("DHCP across it", async () => {
    const server = bed.spawn(bed.node(1).podNamespace, [
      ...["dnsmasq", "--keep-in-foreground", "--port=0", "--conf-file=/dev/null", "--user=root"],
      ...["--interface=eth0", "--bind-interfaces", "--pid-file=", "--log-facility=-"],
      ...["--dhcp-range=10.1.0.50,10.1.0.59,255.255.255.0,1h", "--dhcp-authoritative"],
      `--dhcp-leasefile=${bed.dir}/leases`,
    ]);
    const script = `${bed.dir}/udhcpc.sh`;
    const text =
      '#!/bin/sh\n[ "$1" = bound ] && ip addr add "$ip/$mask" dev "$interface"\nexit 0\n';
    Deno.writeTextFileSync(script, text, { mode: 0o755 });
    await inPod(bed, 0, "ip addr flush dev eth0");
    await inPod(bed, 0, `busybox udhcpc -i eth0 -n -q -t 10 -T 1 -s ${script}`);
    assertMatch(await inPod(bed, 0, "ip -4 -o addr show dev eth0"), /10\.1\.0\.5\d\/24/);
    await bed.ping(0, 1);
    server.kill("SIGKILL");
    await server.status;
  });
  await t.step("nothing was dropped, and the stations were learned", async () => {
    for (const node of [a, b]) {
      const { inbound } = await bed.counters(node);
      for (const drop of ["malformed", "spoofed_source", "unknown_peer", "device_rejected"]) {
        assertEquals(inbound[drop], 0, drop);
      }
      assert(inbound["mac_learned"]! >= 1);
    }
  });
  await t.step("the device is removed: it is made again, and back in the bridge", async () => {
    await bed.onNode(1, ..."ip link del tunnet0".split(" "));
    await until(
      "a device in the bridge again",
      5_000,
      async () =>
        (await bed.onNode(1, ..."ip link show tunnet0".split(" "))).stdout.includes("master br0"),
    );
    await bed.reachable(0, 1, 3_000);
  });
  await a.stop();
  assertEquals((await a.status).code, 0);
  assertEquals(await bed.state(0), before);
});

Deno.test("an IPv6 underlay, and a device and bridge made beforehand, which stay", async () => {
  await using bed = await Bed.create({ mode: "tap", underlay6: true });
  for (const words of ["ip tuntap add dev tap7 mode tap", "ip link set tap7 master br0"]) {
    assertEquals((await bed.onNode(0, ...words.split(" "))).code, 0);
  }
  const before = await bed.state(0);
  const config = ["-c", `${bed.dir}/tunnet.yaml`];
  const [a] = await Promise.all([bed.start(0, [...config, "--device", "tap7"]), bed.start(1)]);
  assertMatch(a.log, /"mtu_bytes":1500/);
  await bed.ping(0, 1);
  await bed.ping(1, 0, "-s", "8000");
  const { path, sha256 } = await bed.randomFile(20_000_000);
  assertEquals(await bed.transfer(1, 0, path), sha256);
  await a.stop();
  assertEquals(await bed.state(0), before);
});

Deno.test("three nodes: all reach each other, and a station that moves is found within a second", async (t) => {
  await using bed = await Bed.create({ mode: "tap", nodes: 3 });
  const [a, b, c] = await Promise.all([bed.start(0), bed.start(1), bed.start(2)]);
  for (const [from, to] of [[0, 1], [0, 2], [1, 2], [2, 0], [2, 1], [1, 0]]) {
    await bed.ping(from!, to!);
  }
  const mac = await macOf(bed, 1);
  const address = bed.podAddress(1);
  /** Whether it answers pod 0 within a second of having spoken. */
  const found = async () => {
    const words = ["ping", "-n", "-q", "-c", "10", "-i", "0.1", "-w", "1", address];
    const { stdout } = await bed.inPod(0, ...words);
    return Number(/(\d+) received/.exec(stdout)![1]) > 0;
  };
  await t.step("from one peer to another", async () => {
    await inPod(bed, 1, "ip link set eth0 down");
    await takeOver(bed, 2, mac, address);
    assert(await found());
    assert((await bed.counters(a)).inbound["mac_moved"]! >= 1);
  });
  await t.step("from a peer to this very node, and away again", async () => {
    const movedHere = async () => (await bed.counters(c)).outbound["mac_moved"]!;
    await inPod(bed, 2, "ip link set eth0 down");
    await takeOver(bed, 1, mac, address);
    assert(await found());
    // Node c has learned it at b; now its own pod has it again.
    await until(
      "node c knows it at b",
      2_000,
      async () => (await bed.counters(c)).inbound["mac_learned"]! >= 2,
    );
    const before = await movedHere();
    await inPod(bed, 1, "ip link set eth0 down");
    await takeOver(bed, 2, mac, address);
    assert(await found());
    await until("node c has noticed", 2_000, async () => await movedHere() > before);
  });
  for (const node of [a, b, c]) assertEquals((await bed.counters(node)).inbound["malformed"], 0);
});

Deno.test("a MAC address that the config gives to a node is nobody else's", async () => {
  await using bed = await Bed.create({ mode: "tap", nodes: 3 });
  const mac = await macOf(bed, 1);
  const fixed = bed.yaml.replace(
    `"${bed.node(1).address}"`,
    `"${bed.node(1).address}"\n    macs: ["${mac}"]`,
  );
  assert(fixed !== bed.yaml);
  Deno.writeTextFileSync(`${bed.dir}/tunnet.yaml`, fixed);
  const [a, , c] = await Promise.all([bed.start(0), bed.start(1), bed.start(2)]);
  await bed.ping(0, 1);
  await bed.ping(0, 2);
  const address = bed.podAddress(1);
  await takeOver(bed, 2, mac, address);
  // Node c lets no frame with it out, and nobody loses the real station.
  await until(
    "it is counted",
    2_000,
    async () => (await bed.counters(c)).outbound["spoofed_source"]! > 0,
  );
  await bed.ping(0, 1);
  const { inbound } = await bed.counters(a);
  assertEquals([inbound["spoofed_source"], inbound["mac_moved"]], [0, 0]);
});

const STORM = 100_000;
const ROUNDS = 5;

/** Resident memory of a process in bytes. */
function resident(process: LabProcess): number {
  const status = Deno.readTextFileSync(`/proc/${process.pid}/status`);
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)![1]);
}

Deno.test("100,000 forged sources: memory stays bounded, the real pods stay connected", async () => {
  // a and b are a tunnel; c is a known node gone hostile.
  await using bed = await Bed.create({ mode: "tap", nodes: 3 });
  const [a] = await Promise.all([bed.start(0), bed.start(1)]);
  await bed.ping(0, 1);
  const packet = ipv4("10.1.0.9", "10.1.0.1");
  const storm = (first: number, count: number) =>
    Array.from({ length: count }, (_, n) => {
      const forged = frame("02:00:00:00:00:01", "02:00:00:00:00:02", 0x800, packet);
      new DataView(forged.buffer).setUint32(8, 0x0a00_0000 + first + n);
      return forged;
    });
  // Warm: what the first frames allocate is not what the storm leaves.
  await bed.send(2, storm(STORM, 2_000));
  const before = (await bed.counters(a)).inbound;
  const residentBefore = resident(a);
  const words = ["ping", "-n", "-q", "-i", "0.05", "-c", "60", bed.podAddress(1)];
  const flood = async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const part = STORM / ROUNDS;
      await bed.send(2, storm(round * part, part));
    }
  };
  const started_ms = performance.now();
  const [{ stdout }] = await Promise.all([bed.inPod(0, ...words), flood()]);
  const seconds = (performance.now() - started_ms) / 1000;
  assertMatch(stdout, / 0% packet loss/);
  assert(seconds < MAC_AGEING_S);
  await bed.ping(1, 0);

  const { inbound } = await bed.counters(a);
  const grown = (name: string) => inbound[name]! - before[name]!;
  // UDP may lose some on a busy machine; each that arrived was learned or refused.
  assert(grown("packets") > STORM / 2, `${grown("packets")} arrived`);
  assert(inbound["mac_learned"]! <= MAC_LEARNED_MAX / 2 + 16, `${inbound["mac_learned"]} learned`);
  assert(grown("mac_learned") <= MAC_LEARNS_PER_S * (seconds + 2));
  const refused = grown("mac_limited") + grown("mac_table_full");
  assert(refused + grown("mac_learned") >= grown("packets") - 200, `${refused} refused`);
  const growth = resident(a) - residentBefore;
  assert(growth < 32 * 1024 * 1024, `${growth} bytes more`);
});

Deno.test("tagged frames pass as they are: one VLAN tag, and two", async () => {
  await using bed = await Bed.create({ mode: "tap" });
  await Promise.all([bed.start(0), bed.start(1)]);
  await bed.ping(0, 1);
  const [from, to] = [await macOf(bed, 0), await macOf(bed, 1)];
  const payload = ipv4("10.7.0.1", "10.7.0.2", [...Array(1434).keys()].map((n) => n & 255));
  const frames = [
    // The largest packet and its tag: the MTU leaves room for it.
    frame(to, from, 0x800, payload, [[0x8100, 7]]),
    frame(to, from, 0x800, ipv4("10.7.0.1", "10.7.0.2"), [[0x88a8, 100], [0x8100, 7]]),
  ];
  for (const [i, bytes] of frames.entries()) {
    const capture = `${bed.dir}/vlan${i}.pcap`;
    const dump = bed.spawn(bed.node(1).podNamespace, [
      ...["tcpdump", "-i", "eth0", "-U", "-c", "1", "-w", capture],
      "vlan",
    ]);
    const reader = dump.stderr.getReader();
    for (let said = ""; !said.includes("listening on");) {
      const { value, done } = await reader.read();
      assert(!done, said);
      said += new TextDecoder().decode(value);
    }
    Deno.writeFileSync(`${bed.dir}/frame`, bytes);
    await inPod(bed, 0, `socat -u FILE:${bed.dir}/frame INTERFACE:eth0`);
    await reader.cancel();
    assertEquals((await dump.status).code, 0);
    // A pcap file: 24 bytes, then 16 before the one frame.
    assertEquals(Deno.readFileSync(capture).subarray(24 + 16), bytes);
  }
});

Deno.test("a peer that runs in the other mode is named, and gets and gives nothing", async () => {
  await using bed = await Bed.create({ mode: "tap" });
  const a = await bed.start(0);
  const { address } = bed.node(1);
  const b = await bed.start(1, [
    ...["--mode", "tun", `10.1.0.1/32=${bed.node(0).address}`],
    ...["--local", "10.1.0.2/32", "--listen", address],
  ]);
  await until("both say so", 5_000, () =>
    a.log.includes("runs in mode tun, this node in tap") &&
    b.log.includes("runs in mode tap, this node in tun"));
  // Until the hello, nobody could know.
  const before = await bed.counters(a);
  const { stdout } = await bed.onNode(1, ..."ping -n -c 3 -i 0.1 -W 0.3 10.1.0.1".split(" "));
  assertMatch(stdout, / 0 received/);
  await bed.inPod(0, ..."ping -n -c 2 -i 0.1 -W 0.3 10.1.0.2".split(" "));
  const [atA, atB] = await Promise.all([bed.counters(a), bed.counters(b)]);
  assert(atB.outbound["wrong_mode"]! >= 3);
  assert(atA.outbound["no_route"]! >= 1);
  for (const direction of ["outbound", "inbound"] as const) {
    assertEquals(atA[direction]["packets"], before[direction]["packets"], direction);
  }
});

Deno.test("peers on the command line, and a reload that takes one away", async () => {
  await using bed = await Bed.create({ mode: "tap", nodes: 3 });
  const inline = [
    ...["--mode", "tap", bed.node(0).address, "--listen", bed.node(1).address],
  ];
  const [a] = await Promise.all([bed.start(0), bed.start(1, inline), bed.start(2)]);
  // A config on the command line names no bridge.
  await bed.onNode(1, ..."ip link set tunnet0 master br0".split(" "));
  await bed.reachable(0, 1, 5_000);
  await bed.ping(0, 1);
  await bed.ping(0, 2);
  const without = bed.yaml.slice(0, bed.yaml.indexOf("  - name: node-c"));
  Deno.writeTextFileSync(`${bed.dir}/tunnet.yaml`, without);
  Deno.kill(a.pid, "SIGHUP");
  await until("reloaded", 5_000, () => a.log.includes('"event":"reloaded"'));
  const { stdout } = await bed.inPod(0, "ping", "-n", "-c", "1", "-W", "0.5", bed.podAddress(2));
  assertMatch(stdout, / 0 received/);
  await bed.ping(0, 1);
});
