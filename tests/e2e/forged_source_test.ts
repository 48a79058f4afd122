/** Who cannot pose as a node: a container on a node's bridge, and an ordinary user of the host. */

import { assert, assertEquals } from "../assert.ts";
import { frame } from "../fakes/frames.ts";
import { ipv4 } from "../fakes/packets.ts";
import { KERNEL_PATH } from "../kernel_path/possible.ts";
import type { LabProcess } from "../../src/tools/lab/process.ts";
import { Bed, until } from "./harness.ts";
import { ip } from "./ip.ts";
import { giveKeys, keyedArgs } from "./keyed.ts";

const NOBODY = "65534";
/** Datagrams of each attempt. */
const COUNT = 5;
/** A port of the pods where nobody listens: what comes there is counted by the pod's kernel. */
const CLOSED = 4999;

/** UDP datagrams that pod i's kernel got for ports where nobody listens, and so all that came in. */
async function arrived(bed: Bed, i: number): Promise<number> {
  const { stdout } = await bed.inPod(i, "cat", "/proc/net/snmp");
  const [names, values] = stdout.split("\n").filter((line) => line.startsWith("Udp:"))
    .map((line) => line.split(" "));
  return Number(values![names!.indexOf("NoPorts")]);
}

const macOf = async (bed: Bed, pod: number) =>
  (await bed.inPod(pod, "cat", "/sys/class/net/eth0/address")).stdout.trim();

/** Gives pod 0 a way to the underlay by its bridge, in every mode; the host passes packets on. */
async function letOut(bed: Bed): Promise<void> {
  const settings = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"];
  assertEquals((await bed.onNode(0, "sysctl", "-qw", ...settings)).code, 0);
  const { stdout } = await bed.onNode(0, "cat", "/sys/class/net/br0/address");
  await ways(bed, bed.node(0).podNamespace, stdout.trim());
}

/** A host of another network of node 0's, by which no node is reached: its namespace. */
async function neighbour(bed: Bed): Promise<string> {
  const name = `${bed.node(0).namespace}-other`;
  await bed.addNamespace(name);
  const { namespace } = bed.node(0);
  const words = ["link", "add", "eth0", "type", "veth", "peer", "name", "eth1", "netns", namespace];
  await ip(["-n", name, ...words]);
  await ip(["-n", name, "link", "set", "eth0", "up"]);
  await ip(["-n", namespace, "link", "set", "eth1", "up"]);
  // Without an address, nothing is sent over IPv6.
  await ip(["-n", name, "addr", "add", "fd00:99::1/64", "dev", "eth0", "nodad"]);
  const { stdout } = await bed.onNode(0, "cat", "/sys/class/net/eth1/address");
  await ways(bed, name, stdout.trim());
  return name;
}

/** Gives a namespace a way to all nodes by its eth0 and this router. */
async function ways(bed: Bed, namespace: string, mac: string): Promise<void> {
  for (const { address } of bed.plan.nodes) {
    await ip(["-n", namespace, "route", "replace", address, "dev", "eth0"]);
    const words = ["lladdr", mac, "dev", "eth0", "nud", "permanent"];
    await ip(["-n", namespace, "neigh", "replace", address, ...words]);
  }
}

/** What node `as` might send to the pod of node `to`, in the bed's mode. */
async function forged(bed: Bed, tap: boolean, as: number, to: number) {
  const [source, target] = [bed.podAddress(as), bed.podAddress(to)];
  const udp = [0, 7, CLOSED >> 8, CLOSED & 0xff, 0, 8, 0, 0];
  const packet = ipv4(source, target, udp);
  const bytes = tap ? frame(await macOf(bed, to), await macOf(bed, as), 0x0800, packet) : packet;
  return Array.from({ length: COUNT }, () => bytes);
}

/** By a socket of an ordinary user, who takes a node's address that this host does not have. */
function asUser(bed: Bed, as: number, to: number, datagram: Uint8Array<ArrayBuffer>) {
  const six = bed.node(to).address.includes(":");
  const [own, target] = [as, to].map((i) => {
    const { address } = bed.node(i);
    return six ? `[${address}]` : address;
  });
  const words = `UDP${six ? 6 : 4}-SENDTO:${target}:3009,bind=${own}:3009,ip-freebind`;
  const user = `setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups`;
  const file = `${bed.dir}/datagram`;
  Deno.writeFileSync(file, datagram);
  const send = `for i in $(seq ${COUNT}); do ${user} socat -u - ${words} < ${file} || exit 1; done`;
  return bed.onNode(to, "sh", "-c", send);
}

/** What node 0's host has not passed on to other nodes. */
async function guarded(bed: Bed): Promise<number> {
  const { stdout } = await bed.onNode(0, "nft", "list", "ruleset");
  return Number(/ counter packets (\d+) /.exec(stdout)![1]);
}

const dropped = async (bed: Bed, node: LabProcess) =>
  (await bed.counters(node)).inbound["wrong_interface"]!;

for (const mode of ["tun", "tap"] as const) {
  for (const underlay6 of [false, true]) {
    for (const engine of mode === "tun" && KERNEL_PATH ? ["auto", "batch"] : ["batch"]) {
      const what = `mode ${mode}, IPv${underlay6 ? 6 : 4} underlay, engine ${engine}`;
      Deno.test(`nobody on a node's host poses as a node (${what})`, async (t) => {
        await using bed = await Bed.create({ nodes: 3, underlay6, ipv6: underlay6, mode });
        const args = ["-c", `${bed.dir}/tunnet.yaml`, "--engine", engine];
        const nodes = await Promise.all([0, 1, 2].map((i) => bed.start(i, args)));
        const tap = mode === "tap";
        await letOut(bed);
        const senders = [
          ["a container", bed.node(0).podNamespace],
          ["a host of another network", await neighbour(bed)],
        ] as const;
        for (const [from, to] of [[0, 1], [0, 2], [2, 1]]) await bed.reachable(from!, to!, 10_000);
        /** What an attempt brings to node `to`'s pod, and how often that is counted by name. */
        const tried = async (to: number, attempt: () => Promise<unknown>) => {
          const before = [await arrived(bed, to), await dropped(bed, nodes[to]!)];
          await attempt();
          // Whatever came before this has been looked at when it arrives.
          await bed.ping(2, to);
          const after = [await arrived(bed, to), await dropped(bed, nodes[to]!)];
          return after.map((value, i) => value - before[i]!);
        };
        const kernel = engine === "auto";

        for (const unsummed of kernel ? [false, true] : [false]) {
          const path = unsummed ? ", as the kernel path sends" : "";
          const forge = async (namespace: string, as: number, to: number) => {
            const datagrams = await forged(bed, tap, as, to);
            const sent = await bed.forge(namespace, as, datagrams, undefined, to, unsummed);
            assertEquals(sent, COUNT);
          };
          await t.step(
            `the underlay is where nodes are: what comes there arrives${path}`,
            async () => {
              const [came] = await tried(0, () => forge(bed.node(2).namespace, 1, 0));
              assertEquals(came, COUNT);
            },
          );
          for (const [who, namespace] of senders) {
            await t.step(`${who}, to the node there${path}`, async () => {
              const [came, named] = await tried(0, () => forge(namespace, 1, 0));
              assertEquals([came, named], [0, COUNT]);
            });
            for (const as of [0, 2]) {
              const whose = as === 0 ? "that node" : "a third one";
              await t.step(`${who}, as ${whose}, to another${path}`, async () => {
                const before = await guarded(bed);
                const [came] = await tried(1, () => forge(namespace, as, 1));
                // The kernel itself takes no IPv4 packet from outside with an address of this host.
                const counted = as === 0 && !underlay6 ? 0 : COUNT;
                assertEquals([came, await guarded(bed) - before], [0, counted]);
              });
            }
          }
        }
        await t.step("an ordinary user of the host", async () => {
          const [datagram] = await forged(bed, tap, 1, 0);
          const [came, named] = await tried(0, async () => {
            const { code, stderr } = await asUser(bed, 1, 0, datagram);
            // IPv4 sends from no address that the host has not.
            assertEquals(code === 0, underlay6, stderr);
          });
          assertEquals([came, named], [0, underlay6 ? COUNT : 0]);
        });
        await t.step("a packet filter that a firewall flushes is put back", async () => {
          await bed.onNode(0, "nft", "flush", "ruleset");
          const listed = async () => (await bed.onNode(0, "nft", "list", "ruleset")).stdout;
          await until("it is back", 5_000, async () => (await listed()).includes("dport 3009"));
        });
        await t.step("the nodes work on", async () => {
          await bed.ping(0, 1);
          await bed.ping(1, 2);
        });
      });
    }
  }
}

const KEYED = [[4, "auto"], [6, "auto"], [4, "batch"], [6, "batch"]] as const;
for (const [version, engine] of KEYED) {
  const what = `IPv${version} underlay, engine ${engine}`;
  Deno.test(`nothing in the clear poses as a node that has a key (${what})`, async (t) => {
    await using bed = await Bed.create({ nodes: 3, underlay6: version === 6 });
    giveKeys(bed);
    const nodes = await Promise.all(
      [0, 1, 2].map((i) => bed.start(i, keyedArgs(bed, i, "--engine", engine))),
    );
    for (const [from, to] of [[0, 1], [2, 0]]) await bed.reachable(from!, to!, 10_000);
    const [a] = nodes;
    for (const unsummed of engine === "auto" ? [false, true] : [false]) {
      await t.step(unsummed ? "as the kernel path sends" : "as lanes send", async () => {
        const before = [await arrived(bed, 0), (await bed.counters(a!)).inbound["unencrypted"]!];
        // Even by whoever can forge a node's address on the underlay.
        const datagrams = await forged(bed, false, 1, 0);
        await bed.forge(bed.node(2).namespace, 1, datagrams, undefined, 0, unsummed);
        await bed.ping(2, 0);
        const after = [await arrived(bed, 0), (await bed.counters(a!)).inbound["unencrypted"]!];
        assertEquals(after.map((value, i) => value - before[i]!), [0, COUNT]);
      });
    }
    await t.step("nor does junk that looks sealed", async () => {
      const before = await arrived(bed, 0);
      const junk = [1, 2, 3, 4].map((type) => {
        const bytes = crypto.getRandomValues(new Uint8Array(148));
        bytes.set([type, 0, 0, 0]);
        return bytes;
      });
      await bed.forge(bed.node(2).namespace, 1, junk, { rate: 500, seconds: 1 });
      await bed.ping(1, 0);
      assertEquals(await arrived(bed, 0), before);
      const { inbound } = await bed.counters(a!);
      const named = ["bad_handshake", "no_session", "bad_tag", "handshake_flood", "malformed"];
      assert(named.reduce((sum, name) => sum + inbound[name]!, 0) >= 400, JSON.stringify(inbound));
    });
  });
}
