/** What may be inside a peer's datagram: its own sources, this node's destinations. */

import { assertEquals } from "../assert.ts";
import { addressBytes, ipv4, ipv6, slowChecksum } from "../fakes/packets.ts";
import { KERNEL_PATH } from "../kernel_path/possible.ts";
import { Bed, until } from "./harness.ts";

/** A UDP header, and its end: 7 to 4999, where nobody listens, so that whoever gets it counts it. */
const UDP = [0, 7, 19, 135, 0, 8];

const full = (address: string) => {
  const [head, tail = ""] = address.split("::");
  const [before, after] = [head!, tail].map((half) => half === "" ? [] : half.split(":"));
  return [...before!, ...Array(8 - before!.length - after!.length).fill("0"), ...after!].join(":");
};

/** A packet of either IP version. */
function packet(source: string, destination: string): Uint8Array<ArrayBuffer> {
  if (!source.includes(":")) return ipv4(source, destination, [...UDP, 0, 0]);
  const [from, to] = [full(source), full(destination)];
  // Over IPv6 the checksum has to be right (RFC 8200, section 8.1).
  const pseudo = [...addressBytes(from), ...addressBytes(to), 0, 0, 0, 8, 0, 0, 0, 17];
  const sum = slowChecksum([...pseudo, ...UDP, 0, 0]);
  return ipv6(from, to, [...UDP, sum >> 8, sum & 0xff]);
}

/** How many of them a network namespace has received, of both IP versions. */
async function received(run: (...words: string[]) => Promise<{ stdout: string }>): Promise<number> {
  const { stdout } = await run("cat", "/proc/net/snmp", "/proc/net/snmp6");
  const [names, values] = stdout.split("\n").filter((line) => line.startsWith("Udp: "))
    .map((line) => line.split(" "));
  const six = /^Udp6NoPorts\s+(\d+)/m.exec(stdout);
  return Number(values![names!.indexOf("NoPorts")]) + Number(six?.[1] ?? 0);
}

/** Sources that no default node may have; nor may any other node. */
const RESERVED = [
  ...["127.0.0.1", "0.0.0.0", "169.254.1.1", "224.0.0.5", "255.255.255.255"],
  ...["::1", "::", "fe80::bad", "ff02::1", "::ffff:808:808"],
];
const POD = { 4: "172.1.0.2", 6: "fd00:172:1::2" } as const;
const podFor = (source: string) => POD[source.includes(":") ? 6 : 4];

for (const underlay6 of [false, true]) {
  for (const engine of KERNEL_PATH ? ["auto", "batch"] : ["batch"]) {
    const what = `IPv${underlay6 ? 6 : 4} underlay, engine ${engine}`;
    Deno.test(`inside a datagram: whose source, whose destination (${what})`, async (t) => {
      await using bed = await Bed.create({ nodes: 3, ipv6: true, underlay6 });
      Deno.writeTextFileSync(`${bed.dir}/tunnet.yaml`, `${bed.yaml}default: node-b\n`);
      const args = ["-c", `${bed.dir}/tunnet.yaml`, "--engine", engine];
      const [a] = await Promise.all([0, 1, 2].map((i) => bed.start(i, args)));
      for (const to of [1, 2]) await bed.reachable(0, to, 10_000);
      // The first packet waits up to a second until the pod is found.
      await bed.ping(1, 0, bed.podAddress(0, 6));
      const addresses = bed.plan.nodes.map(({ address }) => address);
      // Of the IP version that the underlay has not: the other nodes' pods.
      const own = [podFor(POD[4]), podFor(POD[6]), "172.1.0.9", "172.1.0.1", "fd00:172:1::1"];
      const others = ["172.3.0.2", "fd00:172:3::2", addresses[2]!, addresses[0]!];
      const ofC = ["172.2.0.2", "fd00:172:2::2", "8.8.8.8", "2001:db8::1", addresses[1]!];

      /** How many of the packets came anywhere, and how many were counted as drops. */
      const tried = async (as: number, packets: readonly Uint8Array[], unsummed: boolean) => {
        const look = async () => {
          const { inbound } = await bed.counters(a!);
          return [
            await received((...words) => bed.inPod(0, ...words)) +
            await received((...words) => bed.onNode(0, ...words)),
            inbound["spoofed_source"]!,
            inbound["foreign_destination"]!,
          ];
        };
        const before = await look();
        // By somebody who can forge a node's address on the underlay, which is as good as the node.
        await bed.forge(bed.node(2).namespace, as, packets, undefined, 0, unsummed);
        await bed.ping(1, 0);
        const after = await look();
        return after.map((value, i) => value - before[i]!);
      };
      for (const unsummed of engine === "auto" ? [false, true] : [false]) {
        const path = unsummed ? ", as the kernel path sends" : "";
        /** `expected`: came, spoofed_source, foreign_destination. */
        const step = (name: string, as: number, packets: Uint8Array[], expected: number[]) =>
          t.step(`${name}${path}`, async () => {
            assertEquals(await tried(as, packets, unsummed), expected);
          });
        const from = (sources: readonly string[]) =>
          sources.map((source) => packet(source, podFor(source)));
        await step(
          "the default node sends from what is nobody's",
          1,
          from(["8.8.8.8", "2001:db8::1"]),
          [2, 0, 0],
        );
        await step("and from its own address", 1, from([addresses[1]!]), [1, 0, 0]);
        const refused = [...RESERVED, ...own, ...others];
        await step("but from nothing else", 1, from(refused), [0, refused.length, 0]);
        const notOfC = [...RESERVED, ...own, ...ofC];
        await step("another node from its pods only", 2, from(notOfC), [0, notOfC.length, 0]);

        const to = [
          ...["192.168.77.9", "8.8.8.8", "172.3.0.2", "127.0.0.1", "224.0.0.1", "255.255.255.255"],
          ...["0.0.0.0", "2001:db8::9", "fe80::1", "ff02::1", "::1"],
          ...addresses,
        ];
        const packets = to.map((one) =>
          packet(one.includes(":") ? "fd00:172:2::2" : "172.2.0.2", one)
        );
        await step("what is for anything but this node's pods", 1, packets, [0, 0, to.length]);
      }
      await t.step("a router advertisement gives the host nothing", async () => {
        // ICMPv6 type 134 with a lifetime (RFC 4861); a right checksum would not be looked at.
        const body = [134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        await tried(1, [ipv6(full("fe80::bad"), full("ff02::1"), body, 58)], false);
        const words = ["ip", "-6", "route", "show", "default", "dev", "tunnet0"];
        assertEquals((await bed.onNode(0, ...words)).stdout, "");
      });
      await t.step("accept, by a reload, widens what a node takes in", async () => {
        const wide = bed.yaml.replace("subnets:", "accept: [192.168.77.0/24]\n    subnets:");
        Deno.writeTextFileSync(`${bed.dir}/tunnet.yaml`, wide);
        Deno.kill(a!.pid, "SIGHUP");
        await until("it is reloaded", 10_000, () => a!.log.includes('"event":"reloaded"'));
        const packets = ["192.168.77.9", "192.168.78.9"].map((to) => packet("172.2.0.2", to));
        assertEquals(await tried(1, packets, false), [0, 0, 1]);
      });
    });
  }
}
