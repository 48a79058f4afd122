/** Nodes with keys on networks as people have them: MTUs, NATs, a default node, some without keys. */

import { assert, assertEquals, assertMatch, assertNotEquals } from "../assert.ts";
import { KERNEL_PATH } from "../kernel_path/possible.ts";
import { helloOf } from "../fakes/peers.ts";
import { addressBytes, ipv4 } from "../fakes/packets.ts";
import { readCapture } from "../inspect/pcap/reader.ts";
import { Bed, until } from "./harness.ts";
import { ip } from "./ip.ts";
import { giveKeys, keyedArgs } from "./keyed.ts";
import { carries, deviceMtu, setPods, setUnderlay } from "./underlay.ts";

const BYTES = 5_000_000;
const TOLD_MS = 10_000;
/** Below 1,280 bytes IPv6 ends. */
const IPV6_MTU_BYTES = 1280;

const words = (text: string) => text.split(" ");

const startBoth = (bed: Bed, ...more: string[]) =>
  Promise.all([0, 1].map((i) => bed.start(i, keyedArgs(bed, i, ...more))));

async function transferBoth(bed: Bed, version: 4 | 6 = 4): Promise<void> {
  const { path, sha256 } = await bed.randomFile(BYTES);
  assertEquals(await bed.transfer(0, 1, path, version), sha256);
  assertEquals(await bed.transfer(1, 0, path, version), sha256);
}

/** Where a captured datagram's payload begins: behind Ethernet, IPv4 and UDP. */
const UDP_PAYLOAD = 14 + 20 + 8;

/** Whether a captured frame is an IPv4 datagram from one address to the other, either way. */
function isBetween(frame: Uint8Array, a: string, b: string): boolean {
  const ends = [a, b].map((one) => addressBytes(one).join("."));
  const found = [frame.slice(26, 30), frame.slice(30, 34)].map((one) => one.join("."));
  return frame[12] === 8 && frame[13] === 0 && frame[23] === 17 &&
    ends.every((one) => found.includes(one));
}

async function statusOf(bed: Bed, i: number) {
  return JSON.parse((await bed.onNode(i, ...bed.command, "status", "--json")).stdout);
}

/** What pods get of an underlay: it less IP, UDP and what sealing adds. */
const UNDERLAYS = [
  { underlay6: false, mtu_bytes: 9000, inner: 9000 - 28 - 32 },
  { underlay6: true, mtu_bytes: 9000, inner: 9000 - 48 - 32 },
  { underlay6: false, mtu_bytes: 1280, inner: 1280 - 28 - 32 },
  { underlay6: true, mtu_bytes: 1280, inner: 1280 - 48 - 32 },
] as const;

for (const { underlay6, mtu_bytes, inner } of UNDERLAYS) {
  const what = `an IPv${underlay6 ? 6 : 4} underlay of ${mtu_bytes} bytes`;
  const ipv6 = mtu_bytes === IPV6_MTU_BYTES;
  Deno.test(`keys: ${what} gives pods ${inner}${ipv6 ? ", and IPv6 pods 1280" : ""}`, async () => {
    await using bed = await Bed.create({ underlay6, ipv6 });
    giveKeys(bed);
    await setUnderlay(bed, mtu_bytes);
    if (mtu_bytes > 1500) await setPods(bed, mtu_bytes);
    const nodes = await startBoth(bed);
    assertEquals(await deviceMtu(bed, 0), Math.max(inner, ipv6 ? IPV6_MTU_BYTES : 0));
    await bed.reachable(0, 1, TOLD_MS);
    assertEquals([await carries(bed, inner), await carries(bed, inner + 1)], [true, false]);
    if (ipv6) {
      // The first packet waits up to a second until the pods' neighbours are found.
      await bed.ping(0, 1, bed.podAddress(1, 6));
      assertEquals([await carries(bed, 1280, 6), await carries(bed, 1281, 6)], [true, false]);
      await transferBoth(bed, 6);
    }
    await transferBoth(bed);
    for (const node of nodes) {
      const { inbound, outbound } = await bed.counters(node);
      assertEquals([inbound.bad_tag, inbound.malformed, outbound.send_failed], [0, 0, 0]);
    }
  });
}

for (const { underlay6, mtu_bytes, inner } of UNDERLAYS) {
  // A frame has an Ethernet header, with a VLAN tag perhaps, and no padding.
  const fits = inner - 18;
  // Any station may have 1,500, and is told what fits.
  const pods = Math.max(fits, 1500);
  const what = `an IPv${underlay6 ? 6 : 4} underlay of ${mtu_bytes} bytes`;
  Deno.test(`keys: mode tap, ${what} carries frames with ${fits}`, async () => {
    await using bed = await Bed.create({ mode: "tap", underlay6 });
    giveKeys(bed);
    await setUnderlay(bed, mtu_bytes);
    await setPods(bed, pods);
    const nodes = await startBoth(bed);
    assertEquals(await deviceMtu(bed, 0), pods);
    await bed.reachable(0, 1, TOLD_MS);
    // Without a tag, perhaps four more.
    assertEquals([await carries(bed, fits), await carries(bed, fits + 5)], [true, false]);
    await transferBoth(bed);
    for (const node of nodes) {
      const { inbound, outbound } = await bed.counters(node);
      assertEquals([inbound.bad_tag, inbound.malformed, outbound.send_failed], [0, 0, 0]);
    }
  });
}

Deno.test("keys: a default node, and sources that only it may have", async () => {
  await using bed = await Bed.create({ ipv6: true, nodes: 3 });
  giveKeys(bed);
  const file = `${bed.dir}/keyed.yaml`;
  Deno.writeTextFileSync(file, `${Deno.readTextFileSync(file)}default: node-b\n`);
  const [a] = await Promise.all([0, 1, 2].map((i) => bed.start(i, keyedArgs(bed, i))));
  // Addresses of nobody's subnet, behind the default node, and behind another one that claims them.
  const world = [["198.51.100.7", 32, "-4"], ["2001:db8::7", 128, "-6"]] as const;
  for (const [address, bits, six] of world) {
    const one = `${address}/${bits}`;
    await ip([six, "-n", bed.node(0).namespace, ...words(`route add ${one} dev tunnet0`)]);
    for (const namespace of [bed.node(1).namespace, bed.node(2).podNamespace]) {
      await ip(["-n", namespace, ...words(`addr add ${one} dev lo`)]);
    }
  }
  const before = (await bed.counters(a!)).inbound;
  for (const [address] of world) await bed.ping(0, 1, address);
  const spoof = [..."ping -n -q -c 2 -i 0.2 -W 1 -I".split(" "), world[0][0]];
  assertEquals((await bed.inPod(2, ...spoof, bed.podAddress(0))).code, 1);
  await until("sources that are not its own are counted", TOLD_MS, async () => {
    const { inbound } = await bed.counters(a!);
    return inbound.spoofed_source! - before.spoofed_source! === 2;
  });
  assertEquals((await bed.counters(a!)).inbound.packets! - before.packets!, 6);
});

Deno.test("keys: with allow_plain, sealed to whom has a key, in the clear to whom has none", async (t) => {
  await using bed = await Bed.create({ nodes: 3 });
  // Node c is an older one without keys, by a config of its own.
  giveKeys(bed);
  const file = `${bed.dir}/keyed.yaml`;
  const [, , keyOfC] = [...Deno.readTextFileSync(file).matchAll(/^ *public_key: .*\n/gm)];
  const mixed = Deno.readTextFileSync(file).replace(keyOfC![0], "");
  Deno.writeTextFileSync(file, mixed);
  const refused = bed.launch(0, keyedArgs(bed, 0));
  assertEquals((await refused.status).code, 2);
  assertMatch(refused.log, /no public_key for node-c .*allow_plain: true/);
  Deno.writeTextFileSync(file, `${mixed}allow_plain: true\n`);
  const [a] = await Promise.all([
    ...[0, 1].map((i) => bed.start(i, keyedArgs(bed, i))),
    bed.start(2),
  ]);
  const transports = async () => {
    const { peers } = await statusOf(bed, 0);
    return peers.map(({ name, transport }: Record<string, string>) => `${name} ${transport}`);
  };
  await t.step("each by its own way", async () => {
    for (const to of [1, 2]) await bed.reachable(0, to, TOLD_MS);
    const toC = KERNEL_PATH ? "kernel" : "tunnet";
    await until(
      "both ways are found",
      TOLD_MS,
      async () => (await transports()).join() === `node-b sealed,node-c ${toC}`,
    );
    const { path, sha256 } = await bed.randomFile(BYTES);
    for (const other of [1, 2]) {
      assertEquals(await bed.transfer(0, other, path), sha256);
      assertEquals(await bed.transfer(other, 0, path), sha256);
    }
  });
  await t.step("nothing between those with keys is in the clear", async () => {
    const capture = await bed.capture(bed.node(1).namespace, "eth0");
    await bed.ping(0, 1);
    await bed.ping(1, 0);
    await capture.stop();
    const types = readCapture(Deno.readFileSync(capture.file)).packets
      .map(({ bytes }) => bytes)
      .filter((bytes) => isBetween(bytes, bed.node(0).address, bed.node(1).address))
      .map((bytes) => bytes[UDP_PAYLOAD]!);
    assert(types.length >= 4, `${types}`);
    assertEquals(types.filter((type) => type < 1 || type > 4), []);
  });
  await t.step("nobody talks a node with a key into it", async () => {
    const before = (await bed.counters(a!)).inbound;
    const hellos = [0, 0xffff].map((capabilities) => helloOf({ capabilities }));
    const forged = [...hellos, ipv4("172.2.0.2", "172.1.0.2"), ipv4("172.3.0.2", "172.1.0.2")];
    for (const unsummed of [false, true]) {
      await bed.forge(bed.node(2).namespace, 1, forged, undefined, 0, unsummed);
    }
    await until("all is counted", TOLD_MS, async () => {
      const { inbound } = await bed.counters(a!);
      return inbound.unencrypted! - before.unencrypted! === 2 * forged.length;
    });
    assertEquals((await transports())[0], "node-b sealed");
    await bed.ping(0, 1);
    // Packets of node b's that node c sends under its own name are not node c's to send.
    const packet = ipv4("172.2.0.2", "172.1.0.2");
    await bed.forge(bed.node(2).namespace, 2, [packet]);
    await until("it is counted", TOLD_MS, async () => {
      const { inbound } = await bed.counters(a!);
      return inbound.spoofed_source! > before.spoofed_source!;
    });
  });
});

/** Seconds that a NAT of the tests remembers who has sent, and how often is sent at least. */
const NAT_S = 3;
const KEEPALIVE = "1s";

/** Puts a NAT in front of node 1, with the address that the node had: its namespace. */
async function addNat(bed: Bed): Promise<string> {
  const nat = `${bed.node(1).namespace}-nat`;
  const [near, far] = [bed.node(1), bed.node(0)];
  const { switchNamespace } = bed.plan;
  await bed.addNamespace(nat);
  await ip(["-n", near.namespace, ...words("link del eth0")]);
  const steps: readonly (readonly [string, string])[] = [
    [switchNamespace, `link add port1 type veth peer name out netns ${nat}`],
    [switchNamespace, "link set port1 master switch up"],
    [nat, `addr add ${near.address}/32 dev out`],
    [nat, "link set out up"],
    [nat, `route add ${far.address} dev out`],
    [nat, `link add in type veth peer name eth0 netns ${near.namespace}`],
    [nat, "addr add 10.99.0.1/24 dev in"],
    [nat, "link set in up"],
    [near.namespace, "addr add 10.99.0.2/24 dev eth0"],
    [near.namespace, "link set eth0 up"],
    [near.namespace, "route add default via 10.99.0.1"],
  ];
  for (const [namespace, step] of steps) await ip(["-n", namespace, ...words(step)]);
  const inside = (...command: string[]) => ip(["netns", "exec", nat, ...command]);
  await inside(
    "nft",
    "table ip nat { chain out { type nat hook postrouting priority 100; " +
      "oifname out udp sport 3009 masquerade to :40000-49999 fully-random; }; }",
  );
  const timeouts = ["", "_stream"].map((kind) =>
    `net.netfilter.nf_conntrack_udp_timeout${kind}=${NAT_S}`
  );
  await inside("sysctl", "-qw", "net.ipv4.ip_forward=1", ...timeouts);
  return nat;
}

Deno.test("keys: behind a NAT whose port changes, a keepalive keeps a node without address reachable", async (t) => {
  await using bed = await Bed.create();
  const nat = await addNat(bed);
  // Hellos are too rare to keep the NAT's memory of the node.
  bed.helloInterval = "60s";
  giveKeys(bed, (i) => i === 0 ? [`keepalive: ${KEEPALIVE}`] : []);
  const file = `${bed.dir}/keyed.yaml`;
  const { address } = bed.node(1);
  const yaml = Deno.readTextFileSync(file);
  Deno.writeTextFileSync(file, yaml.replace(new RegExp(`^ *address: "${address}"\\n`, "m"), ""));
  const a = await bed.start(0, keyedArgs(bed, 0));
  await bed.start(1, keyedArgs(bed, 1, "--node", "node-b"));
  const port = async () => {
    const [peer] = (await statusOf(bed, 0)).peers;
    assertEquals(peer.address, address);
    return peer.port as number;
  };
  await t.step("it calls by itself, and is reached", async () => {
    await bed.reachable(0, 1, TOLD_MS);
    assert(await port() >= 40_000);
  });
  await t.step(
    "and still is when nothing has been said for longer than the NAT remembers",
    async () => {
      await new Promise((resolve) => setTimeout(resolve, 2_000 * NAT_S));
      await bed.ping(0, 1);
    },
  );
  await t.step("the NAT forgets all, and gives it another port", async () => {
    const { path, sha256 } = await bed.randomFile(BYTES);
    for (let i = 0; i < 2; i++) {
      const before = await port();
      // Masquerading ends with the device's link.
      await ip(["-n", nat, ...words("link set out down")]);
      await ip(["-n", nat, ...words("link set out up")]);
      await ip(["-n", nat, ...words(`route add ${bed.node(0).address} dev out`)]);
      const start_ms = performance.now();
      await bed.reachable(0, 1, TOLD_MS);
      console.log(`reached again after ${Math.round(performance.now() - start_ms)} ms`);
      assertNotEquals(await port(), before);
      assertEquals(await bed.transfer(0, 1, path), sha256);
      assertEquals(await bed.transfer(1, 0, path), sha256);
    }
  });
  assert(a.log.includes('"event":"peer_moved"'), a.log);
});
