import { assert, assertEquals } from "../assert.ts";
import { Bed } from "./harness.ts";

const PEERS = 200;
const SUBNETS_EACH = 50;

Deno.test("200 peers, of which one is there, and 10,000 subnets", async () => {
  await using bed = await Bed.create();
  const lines = ["network: 172.0.0.0/8", "nodes:"];
  for (let node = 0; node <= PEERS; node++) {
    const real = node < 2 ? bed.node(node) : undefined;
    const more = Array.from({ length: SUBNETS_EACH }, (_, i) => {
      const subnet = node * SUBNETS_EACH + i;
      return `172.${128 + (subnet >> 8)}.${subnet & 0xff}.0/24`;
    });
    lines.push(
      `  - name: node-${node}`,
      `    address: ${real?.address ?? `192.168.1.${node}`}`,
      `    subnets: [${[...real?.subnets ?? [], ...more].join(", ")}]`,
    );
  }
  Deno.writeTextFileSync(`${bed.dir}/tunnet.yaml`, lines.join("\n"));
  const [a] = await Promise.all([bed.start(0), bed.start(1)]);
  assert(a.log.includes(`"peers":${PEERS}`));
  await bed.reachable(0, 1, 10_000);
  await bed.ping(0, 1);
  await bed.ping(1, 0, "-s", "8000");
  const { path, sha256 } = await bed.randomFile(20_000_000);
  const arrived = await Promise.all([
    bed.transfer(0, 1, path),
    bed.transfer(1, 0, path, 4, 5002),
  ]);
  assertEquals(arrived, [sha256, sha256]);
  // Packets to those who are not there are sent, and go no further.
  const { code } = await bed.inPod(0, "ping", "-n", "-c", "1", "-W", "0.2", "172.130.0.2");
  assertEquals(code, 1);
  const { outbound, inbound } = await bed.counters(a);
  for (const fault of ["malformed", "unknown_peer", "spoofed_source"]) {
    assertEquals([outbound[fault], inbound[fault]], [0, 0], fault);
  }
});
