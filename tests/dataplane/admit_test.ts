/** The flow that needs no lookup: it is judged as any packet once something of it changes. */

import { assertEquals } from "../assert.ts";
import { ADMITTED, PacketAdmission } from "../../src/dataplane/admit.ts";
import { COUNTER } from "../../src/forwarding/counters.ts";
import { Merger } from "../../src/offload/coalesce.ts";
import { ipv4 } from "../fakes/packets.ts";
import { acquired, publishedTable } from "../fakes/table.ts";

/** A device may want a header before the packet. */
const VNET_ROOM_BYTES = 16;
const PEERS = [
  { address: "192.0.2.1", subnets: ["172.2.0.0/16"] },
  { address: "192.0.2.2", subnets: ["172.3.0.0/16"] },
];

Deno.test("admission: after a packet of a flow, another peer, source, destination or table counts", () => {
  const admission = new PacketAdmission();
  const merger = new Merger({ writeRun: () => {} }, { tcp4: false, tcp6: false, udp: false });
  const use = (own: readonly string[]) => admission.useTable(acquired(publishedTable(PEERS, own)));
  const admit = (peer: number, from: string, to: string) => {
    const packet = ipv4(from, to);
    const bytes = new Uint8Array(VNET_ROOM_BYTES + packet.length);
    bytes.set(packet, VNET_ROOM_BYTES);
    const view = new DataView(bytes.buffer);
    return admission.admit(view, VNET_ROOM_BYTES, packet.length, peer, merger, false);
  };
  use(["172.1.0.0/16"]);
  for (let i = 0; i < 2; i++) {
    assertEquals(admit(0, "172.2.0.2", "172.1.0.2"), ADMITTED);
    assertEquals(admit(0, "172.2.0.2", "172.1.0.2"), ADMITTED);
    assertEquals(admit(1, "172.2.0.2", "172.1.0.2"), COUNTER.spoofed_source);
    assertEquals(admit(0, "172.3.0.2", "172.1.0.2"), COUNTER.spoofed_source);
    assertEquals(admit(0, "172.2.0.2", "172.9.0.2"), COUNTER.foreign_destination);
  }
  assertEquals(admit(0, "172.2.0.2", "172.1.0.2"), ADMITTED);
  use(["172.9.0.0/16"]);
  assertEquals(admit(0, "172.2.0.2", "172.1.0.2"), COUNTER.foreign_destination);
});
