import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Bed, until } from "./harness.ts";

const BYTES = 100_000_000;
const SHORT_BYTES = 20_000_000;

async function bothWays(bed: Bed, bytes: number, version: 4 | 6 = 4): Promise<void> {
  const { path, sha256 } = await bed.randomFile(bytes);
  const arrived = await Promise.all([
    bed.transfer(0, 1, path, version),
    bed.transfer(1, 0, path, version, 5002),
  ]);
  assertEquals(arrived, [sha256, sha256]);
}

Deno.test("pods reach each other: ping, large ping, TCP both ways at once, UDP", async () => {
  await using bed = await Bed.create();
  const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
  // Two routed hops: each node takes one from the TTL.
  assertMatch(await bed.ping(0, 1), /ttl=62/);
  await bed.ping(1, 0);
  await bed.ping(0, 1, "-s", "8000");
  await bed.ping(1, 0, "-s", "8000");
  await bed.ping(0, 1, "-M", "do", "-s", "1444");

  await bothWays(bed, BYTES);

  const before = await bed.counters(b);
  const server = await bed.iperf3Server(1);
  const words = ["iperf3", "-c", bed.podAddress(1), "-u", "-b", "50M", "-t", "2", "-J"];
  const client = await bed.inPod(0, ...words);
  assertEquals(client.code, 0, client.stdout + client.stderr);
  const { packets } = JSON.parse(client.stdout).end.sum;
  assert(packets > 5_000, `${packets} packets`);
  await server.end;

  // The receiving program may be starved on a busy host; between the pods none is lost unnamed.
  let counters = await Promise.all([bed.counters(a), bed.counters(b)]);
  const accounted = () => {
    const [{ outbound }, { inbound }] = counters;
    const arrived = inbound.packets! - before.inbound.packets!;
    return arrived + outbound.device_overflow! + inbound.socket_overflow!;
  };
  await until(() => `${accounted()} of ${packets} packets are accounted for`, 5_000, async () => {
    counters = await Promise.all([bed.counters(a), bed.counters(b)]);
    return accounted() >= packets;
  });
  for (const { inbound } of counters) {
    for (const drop of ["malformed", "spoofed_source", "unknown_peer", "device_rejected"]) {
      assertEquals(inbound[drop], 0, drop);
    }
  }
});

Deno.test("IPv6 pods", async () => {
  await using bed = await Bed.create({ ipv6: true });
  await Promise.all([bed.start(0), bed.start(1)]);
  const address = bed.podAddress(1, 6);
  await bed.ping(0, 1, address);
  // Routers never fragment IPv6: the first large packet each way teaches its sender the MTU.
  const { stdout } = await bed.inPod(0, "ping", "-n", "-c", "3", "-W", "1", "-s", "8000", address);
  assertMatch(stdout, /Packet too big: mtu=1472/);
  await bed.ping(0, 1, address, "-s", "8000");
  await bothWays(bed, SHORT_BYTES, 6);
  const nobody = await bed.inPod(0, "ping", "-n", "-c", "1", "-W", "1", "fd00:172:99::2");
  assertMatch(nobody.stdout, /Destination unreachable: No route/);
});

Deno.test("an IPv6 underlay, with IPv4 and IPv6 pods", async () => {
  await using bed = await Bed.create({ ipv6: true, underlay6: true });
  const [a] = await Promise.all([bed.start(0), bed.start(1)]);
  assertMatch(a.log, /"mtu_bytes":1452/);
  await bed.ping(0, 1);
  await bed.ping(0, 1, "-s", "8000");
  await bed.ping(1, 0, bed.podAddress(0, 6));
  await bothWays(bed, SHORT_BYTES, 4);
  await bothWays(bed, SHORT_BYTES, 6);
});

Deno.test("inline peers with no file", async () => {
  await using bed = await Bed.create();
  const line = (own: number, peer: number) => [
    `${bed.node(peer).subnets[0]}=${bed.node(peer).address}`,
    ...["--local", bed.node(own).subnets[0]!, "--listen", bed.node(own).address],
  ];
  await Promise.all([bed.start(0, line(0, 1)), bed.start(1, line(1, 0))]);
  await bed.ping(0, 1);
  await bothWays(bed, SHORT_BYTES);
});

/** Devices as `ip tuntap` makes them: other queues and headers than tunnet would ask for. */
const BEFOREHAND = ["mode tun", "mode tun multi_queue", "mode tun pi vnet_hdr user root"];

for (const how of BEFOREHAND) {
  Deno.test(`one side by file, one by a device made beforehand (${how}), which stays`, async () => {
    await using bed = await Bed.create();
    for (const words of [`tuntap add dev flannel ${how}`, "link set flannel mtu 1300"]) {
      assertEquals((await bed.onNode(0, "ip", ...words.split(" "))).code, 0, words);
    }
    const before = await bed.state(0);
    const config = ["-c", `${bed.dir}/tunnet.yaml`];
    const [a] = await Promise.all([bed.start(0, [...config, "--device", "flannel"]), bed.start(1)]);
    await bed.ping(0, 1);
    await bothWays(bed, how === BEFOREHAND[0] ? SHORT_BYTES : SHORT_BYTES / 10);
    await a.stop();
    assertEquals((await a.status).code, 0);
    assertEquals(await bed.state(0), before);
  });
}

for (const kind of ["", " multi_queue"]) {
  Deno.test(`several lanes on a device made beforehand by ip tuntap add${kind}`, async () => {
    await using bed = await Bed.create();
    await bed.onNode(0, "ip", ...`tuntap add dev flannel mode tun${kind}`.split(" "));
    const words = ["-c", `${bed.dir}/tunnet.yaml`, "--device", "flannel"];
    const [a] = await Promise.all([
      bed.start(0, [...words, "--engine", "batch,lanes=4"]),
      bed.start(1),
    ]);
    // A device without queues has one egress, and one ingress.
    assertMatch(a.log, kind ? /engine batch: .*, 4 lanes/ : /engine batch: .*, 2 lanes/);
    await bothWays(bed, SHORT_BYTES);
  });
}

Deno.test("longest prefix: the longer one wins, and 172.10 is not 172.1", async () => {
  await using bed = await Bed.create({ nodes: 3 });
  const yaml = [
    "network: 172.0.0.0/8",
    "nodes:",
    `  - {name: a, address: ${bed.node(0).address}, subnets: [172.1.0.0/16]}`,
    `  - {name: b, address: ${bed.node(1).address}, subnets: [172.2.0.0/16]}`,
    `  - {name: c, address: ${bed.node(2).address}, subnets: [172.3.0.0/16, 172.2.128.0/17]}`,
  ];
  Deno.writeTextFileSync(`${bed.dir}/tunnet.yaml`, yaml.join("\n"));
  await bed.onNode(2, "ip", "route", "add", "172.2.128.9/32", "via", bed.podAddress(2));
  await bed.inPod(2, "ip", "addr", "add", "172.2.128.9/32", "dev", "lo");
  await Promise.all([bed.start(0), bed.start(1), bed.start(2)]);
  await bed.ping(0, 1);
  await bed.ping(0, 2, "172.2.128.9");
  const { stdout } = await bed.inPod(0, "ping", "-n", "-c", "1", "-W", "1", "172.10.0.2");
  assertMatch(stdout, /Destination Net Unreachable/);
});
