import { assert, assertEquals } from "../assert.ts";
import { ipv4, ipv6 } from "../fakes/packets.ts";
import { Bed, until } from "./harness.ts";

for (const engine of ["batch", "auto"] as const) {
  const what =
    `hostile datagrams: none reaches a pod, each is counted, the tunnel works on (${engine})`;
  Deno.test(what, () => endureHostility(engine));
}

async function endureHostility(engine: "batch" | "auto"): Promise<void> {
  // a and b are a tunnel; c is a known node gone hostile; d is an outsider.
  await using bed = await Bed.create({ nodes: 4, configured: 3 });
  const args = ["-c", `${bed.dir}/tunnet.yaml`, "--engine", engine];
  const [a] = await Promise.all([bed.start(0, args), bed.start(1, args)]);
  await bed.ping(0, 1);
  const own = ipv4("172.3.0.2", "172.1.0.2");
  const first = (value: number) => {
    const copy = own.slice();
    copy[0] = value;
    return copy;
  };
  const lengths = Array.from({ length: 71 }, (_, n) => {
    // All but whole packets: the right length of `own` is left out.
    const bytes = new Uint8Array(n);
    bytes.set(own.subarray(0, Math.min(n, own.length)));
    return bytes;
  }).filter((bytes) => bytes.length !== own.length);
  const own6 = ipv6("fd00:3:0:0:0:0:0:2", "fd00:1:0:0:0:0:0:2");
  const lengths6 = Array.from({ length: 71 }, (_, n) => {
    const bytes = new Uint8Array(n);
    bytes.set(own6.subarray(0, Math.min(n, own6.length)));
    return bytes;
  }).filter((bytes) => bytes.length !== own6.length);
  const wrongTotals6 = [0, 3, 5, 44, 65_535].map((payload) => {
    const copy = own6.slice();
    copy[4] = payload >> 8;
    copy[5] = payload & 0xff;
    return copy;
  });
  const big = new Uint8Array(65_507).fill(0x45);
  const versions = Array.from({ length: 16 }, (_, version) => first((version << 4) | 5))
    .filter((_, version) => version !== 4);
  const wrongTotals = [0, 1, 19, 23, 25, 65_535].map((total) => {
    const copy = own.slice();
    copy[2] = total >> 8;
    copy[3] = total & 0xff;
    return copy;
  });
  const spoofed = [
    ipv4("172.2.0.2", "172.1.0.2"),
    ipv4("172.1.0.9", "172.1.0.2"),
    ipv4("8.8.8.8", "172.1.0.2"),
    ipv4("127.0.0.1", "172.1.0.2"),
    ipv6("fd00:9:0:0:0:0:0:2", "fd00:1:0:0:0:0:0:2"),
  ];
  const reserved = [1, 2, 3, 4].map(first);
  const malformed = [...lengths, ...lengths6, big, ...versions, ...wrongTotals, ...wrongTotals6];
  const strange = [own, ...spoofed, ...malformed, ...reserved, first(0xf1)];

  const rx = async () => {
    const file = "/sys/class/net/tunnet0/statistics/rx_packets";
    return Number((await bed.onNode(0, "cat", file)).stdout);
  };
  const before = (await bed.counters(a)).inbound;
  const rxBefore = await rx();
  const pings = 100;
  const words = ["ping", "-q", "-n", "-i", "0.02", "-c", `${pings}`, bed.podAddress(1)];
  const [{ stdout }] = await Promise.all([
    bed.inPod(0, ...words),
    bed.send(3, strange),
    bed.send(2, [...malformed, ...spoofed, ...reserved]),
  ]);
  assert(/ 0% packet loss/.test(stdout), stdout);

  const expected = {
    unknown_peer: strange.length,
    malformed: malformed.length,
    spoofed_source: spoofed.length,
    reserved_type: reserved.length,
    packets: pings,
  };
  let difference: Record<string, number> = {};
  const count = async () => {
    const { inbound } = await bed.counters(a);
    difference = Object.fromEntries(
      Object.keys(expected).map((name) => [name, inbound[name]! - before[name]!]),
    );
    return JSON.stringify(difference) === JSON.stringify(expected);
  };
  await until("all are counted", 3_000, count).catch(() => assertEquals(difference, expected));
  // What the kernel path carries, the kernel does not count for the device.
  if (engine === "auto") return;
  assertEquals(await rx() - rxBefore, pings, "only echo replies entered through the device");
}
