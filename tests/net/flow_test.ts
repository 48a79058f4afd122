import { assert, assertEquals } from "../assert.ts";
import { ipv4, ipv6 } from "../fakes/packets.ts";
import { flowHash } from "../../src/net/flow.ts";

const PORTS = [0x9c, 0x40, 0x14, 0x51];
const hash = (packet: Uint8Array, offset = 0) => {
  const bytes = new Uint8Array(offset + packet.length);
  bytes.set(packet, offset);
  return flowHash(new DataView(bytes.buffer), offset);
};

Deno.test("flow hash: the same for all packets of a flow, whatever their size and place", () => {
  const one = ipv4("172.1.0.2", "172.2.0.2", [...PORTS, 1, 2, 3]);
  const other = ipv4("172.1.0.2", "172.2.0.2", [...PORTS, ...Array(900).fill(7)]);
  assertEquals(hash(one), hash(other, 13));
});

Deno.test("flow hash: flows spread over queues", () => {
  const A = "fd00:1:0:0:0:0:0:2";
  const B = "fd00:2:0:0:0:0:0:2";
  for (const make of [ipv4.bind(null, "172.1.0.2", "172.2.0.2"), ipv6.bind(null, A, B)]) {
    const counts = [0, 0, 0];
    for (let port = 0; port < 3000; port++) {
      counts[hash(make([0x14, 0x51, port >> 8, port & 0xff])) % 3]!++;
    }
    assert(counts.every((count) => count > 800), `${counts}`);
  }
});
