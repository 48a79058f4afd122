/** What a packet costs between device and socket, both in memory, and what a peer's row costs. */

import { FakeControl } from "../fakes/control.ts";
import { ipv4 } from "../fakes/packets.ts";
import { NO_FEATURES } from "../fakes/device.ts";
import { PacketAdmission } from "../../src/dataplane/admit.ts";
import { Inbound } from "../../src/dataplane/inbound.ts";
import { PacketLookup } from "../../src/dataplane/lookup.ts";
import { Outbound } from "../../src/dataplane/outbound.ts";
import { LANE_COUNTERS_BYTES, laneCounters } from "../../src/forwarding/counters.ts";
import { LaneTable } from "../../src/forwarding/lane_table.ts";
import { type PeerRow, TRANSPORT } from "../../src/forwarding/peer_row.ts";
import { LOCAL, type Route } from "../../src/forwarding/prefixes.ts";
import { ForwardingTable } from "../../src/forwarding/table.ts";
import type { Burst } from "../../src/io/arena.ts";
import { type PacketDevice, WRITE } from "../../src/io/device.ts";
import type { Run } from "../../src/io/run.ts";
import { SendQueue } from "../../src/io/send_queue.ts";
import { OUTCOME, SendResults } from "../../src/io/send_results.ts";
import { putSockaddr, SOCKADDR_WORDS } from "../../src/io/sockaddr.ts";
import type { PacketSocket } from "../../src/io/socket.ts";
import { VNET_BYTES, writePlainVnet } from "../../src/offload/vnet.ts";
import { measure } from "./measure.ts";

const PREFIXES = 10_000;

/** Has the same packet in every slot, from the same peer; queues for real, and sends nothing. */
class Endless implements PacketDevice, PacketSocket {
  readonly features = NO_FEATURES;
  readonly #queue = new SendQueue();
  readonly #results = new SendResults(64);
  readonly #sender = new Int32Array(SOCKADDR_WORDS);

  constructor(readonly packet: Uint8Array, { address, port }: PeerRow) {
    putSockaddr(this.#sender, 0, address, port);
  }

  receive(burst: Burst): number {
    for (let slot = 0; slot < burst.slots; slot++) {
      this.read(burst, slot);
      if (burst.sender[slot * SOCKADDR_WORDS] !== 0) continue;
      burst.sender.set(this.#sender, slot * SOCKADDR_WORDS);
    }
    return burst.slots;
  }
  read(burst: Burst, slot: number): number {
    writePlainVnet(burst.view, burst.offset(slot) - VNET_BYTES);
    burst.bytes.set(this.packet, burst.offset(slot));
    burst.length[slot] = this.packet.length;
    return 1;
  }
  write() {
    return WRITE.ok;
  }
  setDestination(): void {}
  queue(run: Run): number {
    return this.#queue.add(run, 4096, 16);
  }
  flush(): SendResults {
    const queue = this.#queue;
    this.#results.clear();
    for (let i = 0; i < queue.messages; i++) {
      const datagrams = queue.datagramsOf(i);
      this.#results.add(queue.destinationOf(i), OUTCOME.sent, datagrams, queue.bytesOf(i));
    }
    queue.clear();
    return this.#results;
  }
  pathMtu() {
    return undefined;
  }
  allowFragments(): void {}
}

const rowOf = (index: number): PeerRow => ({
  address: Uint8Array.of(192, 168, index >> 8, index & 0xff),
  port: 3009,
  mtu_bytes: 1472,
  capabilities: 0,
  heard: false,
  transport: TRANSPORT.plain,
  token: 0n,
});

/** A table of so many peers, who own 10,000 prefixes between them. */
function tableOf(peers: number): ForwardingTable {
  const table = new ForwardingTable();
  for (let index = 0; index < peers; index++) table.setPeer(index, rowOf(index));
  const routes = Array.from({ length: PREFIXES }, (_, i): Route => ({
    prefix: { version: 4, bytes: Uint8Array.of(10, i >> 8, i & 0xff, 0), length_bits: 24 },
    hop: i % peers,
  }));
  routes[0] = { ...routes[0]!, hop: LOCAL };
  table.publishRoutes(routes, -1);
  return table;
}

/** Prints what both directions cost, and one peer's row with 1,000 peers. */
export function benchDataplane(): void {
  for (const peers of [2, 1_000]) {
    const table = new LaneTable(tableOf(peers).memory, 0);
    table.acquire();
    const counters = laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES));
    const out = new Endless(ipv4("10.0.0.1", "10.0.1.2"), rowOf(1));
    const outbound = new Outbound(out, out, counters, new PacketLookup(), () => 0);
    outbound.useTable(table);
    measure(`outbound, ${peers} peers`, 64, "packet", () => void outbound.turn());
    const into = new Endless(ipv4("10.0.1.2", "10.0.0.1"), rowOf(1));
    const inbound = new Inbound(
      into,
      into,
      counters,
      new PacketAdmission(),
      new FakeControl(),
      () => 0,
    );
    inbound.useTable(table);
    measure(`inbound, ${peers} peers`, 64, "packet", () => void inbound.turn());
  }
  const table = tableOf(1_000);
  const lane = new LaneTable(table.memory, 0);
  lane.acquire();
  let heard = false;
  let index = 0;
  measure("one peer's row of 1,000, published and taken up", 1, "row", () => {
    heard = index === 0 ? !heard : heard;
    table.setPeer(index, { ...rowOf(index), heard });
    index = (index + 1) % 1_000;
    lane.acquire();
  });
}
