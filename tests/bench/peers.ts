/** What it costs the main thread when peers come up one after another in a large overlay. */

import { timersOf } from "../../src/base/time.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { ForwardingTable } from "../../src/forwarding/table.ts";
import type { Entries } from "../../src/kernel_path/maps/mirror.ts";
import { KernelTables } from "../../src/kernel_path/maps/tables.ts";
import { HelloLoop } from "../../src/peers/hello_loop.ts";
import { Publisher } from "../../src/peers/publish.ts";
import { Registry } from "../../src/peers/registry.ts";
import { Mailbox } from "../../src/forwarding/mailbox.ts";
import { putSockaddr, SOCKADDR_WORDS } from "../../src/io/sockaddr.ts";
import { MAIL_INTERVAL_MS, NODES_MAX } from "../../src/base/limits.ts";
import { isOpen } from "../../src/forwarding/peer_row.ts";
import { CAPABILITY } from "../../src/wire/hello.ts";
import { helloOf, logged } from "../fakes/peers.ts";
import { FakeTime } from "../fakes/time.ts";

const PEERS = 1_000;
const SUBNETS_EACH = 10;
/** What each peer may take. */
const BOUND_MS = 1;

function largeYaml(): string {
  const lines = ["nodes:", "  - {name: self, address: 10.255.0.1, subnets: []}"];
  for (let peer = 0; peer < PEERS; peer++) {
    const subnets = Array.from(
      { length: SUBNETS_EACH },
      (_, i) => `172.${16 + (peer >> 6)}.${(peer & 63) * 4}.${16 * i}/28`,
    );
    lines.push(
      `  - {name: n${peer}, address: 10.0.${peer >> 8}.${peer & 255}, subnets: [${subnets}]}`,
    );
  }
  return lines.join("\n") + "\n";
}

/** A map that only remembers; the kernel's takes some 0.5 µs for each change. */
function memoryMap(): Entries {
  const entries = new Map<string, Uint8Array>();
  return {
    set: (key, value) => void entries.set(String(key), value),
    delete: (key) => void entries.delete(String(key)),
  };
}

/** Prints the median and the longest time that a first hello takes, row and maps included. */
export async function benchPeers(): Promise<void> {
  const { config } = parseConfig(largeYaml(), "bench");
  const registry = new Registry({ config, self: config.nodes[0]! }, 4, timersOf());
  const table = new ForwardingTable();
  const names = ["routes4", "routes6", "peers", "senders", "hosts", "counts"] as const;
  const maps = new KernelTables(
    Object.fromEntries(names.map((name) => [name, memoryMap()])) as Record<
      typeof names[number],
      Entries
    >,
  );
  const way = { source: Uint8Array.of(10, 255, 0, 1), ifindex: 2, tcp: true };
  const publisher = new Publisher(
    registry,
    { look: ({ liveness: { path } }) => path.look(1472, 1472) },
    { table, macs: undefined, laneCount: 2, wake() {} },
    [{
      setPeer(index, { address, port, mtu_bytes, capabilities, transport }) {
        if (!isOpen(transport) || (capabilities & CAPABILITY.kernelPath) === 0) return;
        maps.setPeer({ index, address, port, mtu_bytes, takes: true, ...way });
      },
      clearPeer: (index) => maps.clearPeer(index),
      setRoutes: (routes, defaultPeer) => maps.setRoutes(routes, defaultPeer),
      published() {},
    }],
    new FakeTime(),
  );
  publisher.publishAll();
  const { log } = logged();
  const time = new FakeTime();
  const mailbox = new Mailbox();
  const hellos = new HelloLoop({
    ...{ registry, publisher, log, sharedNames: true, time, send() {} },
    resolver: { tick: () => Promise.resolve([]) },
    prober: { round() {}, check() {}, close() {} },
    mailbox,
    packets: () => new Float64Array(PEERS),
    sentPackets: () => new Float64Array(NODES_MAX),
  });
  const sender = new Int32Array(SOCKADDR_WORDS);
  const times: number[] = [];
  for (const peer of registry.peers) {
    const bytes = helloOf({ name: peer.name, capabilities: CAPABILITY.kernelPath });
    putSockaddr(sender, 0, peer.address!.bytes, peer.port);
    mailbox.put(peer.index, true, bytes, 0, bytes.length, sender, 0);
    const start_ms = performance.now();
    hellos.onMail();
    // The mailbox is read in a microtask of its own.
    await Promise.resolve();
    const took_ms = performance.now() - start_ms;
    await time.advance(MAIL_INTERVAL_MS);
    times.push(took_ms);
  }
  const sorted = times.toSorted((one, other) => one - other);
  const total_ms = times.reduce((sum, one) => sum + one, 0);
  const name = `${PEERS} peers come up, ${PEERS * SUBNETS_EACH} prefixes`;
  const each_ms = total_ms / PEERS;
  console.log(
    `${name.padEnd(52)} ${(1000 * each_ms).toFixed(1).padStart(9)} µs/peer ` +
      `(median ${(1000 * sorted[PEERS >> 1]!).toFixed(1)}, most ${
        (1000 * sorted.at(-1)!).toFixed(0)
      }); ` + (each_ms < BOUND_MS ? `below ${BOUND_MS} ms` : `ABOVE ${BOUND_MS} ms`),
  );
}
