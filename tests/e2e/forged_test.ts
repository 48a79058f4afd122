/** Datagrams with a peer's address that are not the peer's: by another interface, whatever rp_filter says. */

import { assertEquals } from "../assert.ts";
import { ipv4 } from "../fakes/packets.ts";
import { frame } from "../fakes/frames.ts";
import { Bed, repoPath, until } from "./harness.ts";

const CASES = [
  { engine: "auto", underlay6: false, mode: "tun" },
  { engine: "auto", underlay6: true, mode: "tun" },
  { engine: "auto,-kernel", underlay6: false, mode: "tun" },
  { engine: "datagram", underlay6: false, mode: "tun" },
  { engine: "datagram", underlay6: true, mode: "tun" },
  { engine: "auto", underlay6: false, mode: "tap" },
] as const;

for (const { engine, underlay6, mode } of CASES) {
  const over = underlay6 ? "IPv6" : "IPv4";
  Deno.test(`forged: a pod and a user pose as a peer over ${over} (${engine}, ${mode})`, async () => {
    await using bed = await Bed.create({ nodes: 2, underlay6 });
    const args = ["-c", `${bed.dir}/tunnet.yaml`, "--engine", engine, "--mode", mode];
    const [a] = await Promise.all([bed.start(0, args), bed.start(1, args)]);
    const { namespace, podNamespace } = bed.node(0);
    const peer = bed.node(1).address;
    for (const name of ["all", "default"]) {
      await bed.onNode(0, "sysctl", "-qw", `net.ipv4.conf.${name}.rp_filter=0`);
    }
    for (const where of [bed.onNode.bind(bed), bed.inPod.bind(bed)]) {
      const versions = ["ipv4.ip_nonlocal_bind", "ipv6.ip_nonlocal_bind"];
      for (const name of versions) await where(0, "sysctl", "-qw", `net.${name}=1`);
    }
    const bytes = mode === "tap"
      ? frame("02:00:00:00:00:01", "02:00:00:00:00:02", 0x0800, ipv4("172.2.0.2", "172.1.0.2"))
      : ipv4("172.2.0.2", "172.1.0.2");
    const hello = Uint8Array.of(0xf1, ...new Uint8Array(100));
    const before = (await bed.counters(a)).inbound;
    await forge(bed, namespace, peer, [bytes, hello]);
    await forge(bed, podNamespace, peer, [bytes, hello]);
    await until("all are counted", 5_000, async () => {
      const { inbound } = await bed.counters(a);
      return inbound["wrong_interface"]! - before["wrong_interface"]! === 4;
    });
    await until("it is named", 5_000, () => a.log.includes('"event":"wrong_interface"'));
    const { spoofed_source, unknown_peer } = (await bed.counters(a)).inbound;
    assertEquals([spoofed_source, unknown_peer], [0, 0]);
    if (mode === "tun") await bed.ping(0, 1);
  });
}

/** Sends datagrams to node 0 with the address and port of a peer, from a namespace that it is not in. */
async function forge(
  bed: Bed,
  namespace: string,
  peer: string,
  datagrams: readonly Uint8Array[],
): Promise<void> {
  const script = repoPath("tests/e2e/send.ts");
  const child = bed.spawn(namespace, [
    ...[Deno.execPath(), "run", "-A", "--no-config", "--unstable-net", script],
    ...[peer, "3009", bed.node(0).address, "3009"],
  ], "piped");
  const lines = datagrams.map((one) => `${one.toHex()}\n`);
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(lines.join("")));
  await writer.close();
  const { code, stderr } = await child.output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
}
