import { assert, assertEquals, assertThrows } from "../assert.ts";
import { random } from "../fuzz/random.ts";
import { NODES_MAX } from "../../src/base/limits.ts";
import { HEADER_WORDS } from "../../src/forwarding/layout.ts";
import { LaneTable } from "../../src/forwarding/lane_table.ts";
import { isOpen, type PeerRow, TRANSPORT, VACANT } from "../../src/forwarding/peer_row.ts";
import { NO_ROUTE } from "../../src/forwarding/prefixes.ts";
import { ForwardingTable } from "../../src/forwarding/table.ts";
import { acceptedOf, acceptsOnly, ROUTES, routesTo, rowOf } from "./table_rows.ts";

const someRow = rowOf(0, 7);

Deno.test("table: which transports lanes send to", () => {
  const open = Object.entries(TRANSPORT).flatMap(([name, value]) => isOpen(value) ? [name] : []);
  assertEquals(open, ["plain", "tunnet", "kernel"]);
});

Deno.test("table: a row comes out as it was published, and only once", () => {
  const table = new ForwardingTable();
  const lane = new LaneTable(table.memory, 0);
  for (const n of [0, 1, 2, 3, 65_535]) {
    for (const index of [0, 1, NODES_MAX - 1]) {
      const row = rowOf(index, n);
      table.setPeer(index, row);
      lane.acquire();
      assertEquals(lane.peer(index), row);
      assertEquals([lane.changed, lane.transportOf(index)], [[index], row.transport]);
      assertEquals([table.setPeer(index, row), lane.stale], [false, false]);
      lane.acquire();
      assertEquals(lane.changed, []);
    }
  }
  assertEquals([table.peerCount, lane.peerCount], [NODES_MAX, NODES_MAX]);
  assertEquals([table.clearPeer(1), table.clearPeer(1)], [true, false]);
  lane.acquire();
  assertEquals(lane.peer(1), VACANT);
});

Deno.test("table: what is no row is refused, and nothing published", () => {
  const table = new ForwardingTable();
  const lane = new LaneTable(table.memory, 0);
  lane.acquire();
  for (const index of [-1, NODES_MAX, NaN]) {
    assertThrows(() => table.setPeer(index, someRow), RangeError);
  }
  for (const size of [1, 5, 17]) {
    const address = new Uint8Array(size);
    assertThrows(() => table.setPeer(0, { ...someRow, address }), RangeError);
  }
  assertEquals([lane.stale, table.peerCount], [false, 0]);
});

Deno.test("table: one row's publish leaves the routes alone", () => {
  const table = new ForwardingTable();
  const lane = new LaneTable(table.memory, 0);
  table.publishRoutes(routesTo(3), 3);
  lane.acquire();
  const { routes } = lane;
  for (let n = 0; n < 100; n++) {
    assert(table.setPeer(3, rowOf(3, n)));
    lane.acquire();
    assert(lane.routes === routes, "the same half");
  }
});

Deno.test("table: a row that is being written keeps its old copy, and is not acknowledged", () => {
  const table = new ForwardingTable();
  const lane = new LaneTable(table.memory, 0);
  table.setPeer(0, rowOf(0, 1));
  table.setPeer(1, rowOf(1, 1));
  lane.acquire();
  // The publisher is stopped between its first and its last store, as a thread may be at any time.
  const words = new Int32Array(table.memory);
  const sequence = HEADER_WORDS;
  table.setPeer(1, rowOf(1, 2));
  table.setPeer(0, rowOf(0, 2));
  words[sequence]! -= 1;
  lane.acquire();
  assertEquals([lane.peer(0), lane.peer(1)], [rowOf(0, 1), rowOf(1, 2)]);
  assertEquals([lane.changed, lane.stale, table.takenUp(1)], [[1], true, false]);
  words[sequence]! += 1;
  lane.acquire();
  assertEquals(lane.peer(0), rowOf(0, 2));
  assertEquals([lane.changed, lane.stale, table.takenUp(1)], [[0], false, true]);
});

/** A table as a naive program would have it: everything is copied, nothing is shared. */
class TableOracle {
  rows = new Map<number, PeerRow>();
  hop = NO_ROUTE;
  /** What each lane has taken up, and the indexes that it has not. */
  readonly lanes;

  constructor(lanes: number) {
    this.lanes = Array.from({ length: lanes }, () => ({
      rows: new Map<number, PeerRow>(),
      due: new Set<number>(),
      hop: NO_ROUTE,
      behind: true,
    }));
  }

  publish(change: () => void): void {
    change();
    for (const lane of this.lanes) lane.behind = true;
  }

  acquire(number: number): number[] {
    const lane = this.lanes[number]!;
    const changed = [...lane.due].sort((a, b) => a - b);
    Object.assign(lane, { rows: new Map(this.rows), hop: this.hop });
    lane.due.clear();
    lane.behind = false;
    return changed;
  }
}

Deno.test("table: against a naive oracle, with lanes that look when they like", () => {
  const dice = random(0x7ab1e);
  const LANES = 3;
  const table = new ForwardingTable();
  const lanes = Array.from({ length: LANES }, (_, lane) => new LaneTable(table.memory, lane));
  const oracle = new TableOracle(LANES);
  // A lane that has never looked has published nothing: it counts from the first publish on.
  for (const [number, lane] of lanes.entries()) {
    lane.acquire();
    oracle.acquire(number);
  }
  let publishes = 0;
  for (let step = 0; step < 20_000; step++) {
    const index = dice.below(40);
    switch (dice.below(5)) {
      case 0:
      case 1: {
        const row = dice.below(4) === 0 ? VACANT : rowOf(index, dice.below(50));
        const same = String(Object.values(oracle.rows.get(index) ?? VACANT)) ===
          String(Object.values(row));
        assertEquals(table.setPeer(index, row), !same);
        if (same) break;
        oracle.publish(() => oracle.rows.set(index, row));
        for (const lane of oracle.lanes) lane.due.add(index);
        break;
      }
      case 2: {
        if (!table.takenUp(LANES)) break;
        const hop = dice.below(40);
        table.publishRoutes(routesTo(hop), hop, acceptedOf(hop));
        oracle.publish(() => oracle.hop = hop);
        publishes++;
        break;
      }
      default: {
        const number = dice.below(LANES);
        lanes[number]!.acquire();
        assertEquals(lanes[number]!.changed, oracle.acquire(number));
      }
    }
    const number = dice.below(LANES);
    const [lane, known] = [lanes[number]!, oracle.lanes[number]!];
    assertEquals(lane.stale, known.behind);
    assertEquals(lane.peer(index), known.rows.get(index) ?? VACANT);
    const at = Uint8Array.of(10, dice.below(ROUTES), 0, 1);
    assertEquals(lane.routes.lookup(at), known.hop);
    if (known.hop !== NO_ROUTE) assert(acceptsOnly(lane, known.hop));
    assertEquals(table.takenUp(LANES), oracle.lanes.every(({ behind }) => !behind));
  }
  assert(publishes > 50, `${publishes} publishes of routes`);
});

Deno.test("table: a lane on another thread never sees half a row, or half the routes", async () => {
  const table = new ForwardingTable();
  const stop = new SharedArrayBuffer(4);
  const worker = new Worker(new URL("./table_reader_worker.ts", import.meta.url), {
    type: "module",
  });
  const reading = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<{ torn: number; rows: number; generations: number }>();
  worker.onmessage = ({ data }) => data === "reading" ? reading.resolve() : answer.resolve(data);
  worker.onerror = (event) => answer.reject(new Error(event.message));
  worker.postMessage({ memory: table.memory, stop });
  await Promise.race([reading.promise, answer.promise]);
  let generations = 0;
  for (let n = 0; generations < 300; n++) {
    table.setPeer(n % 5, rowOf(n % 5, n & 0xffff));
    if (n % 64 !== 0) continue;
    // Routes wait for the lane, as the publisher does; a lane that never comes ends the test.
    for (let turns = 0; turns < 10_000_000 && !table.takenUp(1); turns++);
    if (!table.takenUp(1)) break;
    table.publishRoutes(routesTo(n % 5), n % 5);
    generations++;
  }
  Atomics.store(new Int32Array(stop), 0, 1);
  const seen = await answer.promise;
  worker.terminate();
  assertEquals(seen.torn, 0);
  assertEquals([generations, seen.generations > 200, seen.rows > 300], [300, true, true]);
});
