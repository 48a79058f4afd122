/** What a large overlay costs before the first packet: reading its config, building the table. */

import { parseConfig } from "../../src/config/parse.ts";
import { timersOf } from "../../src/base/time.ts";
import { ForwardingTable } from "../../src/forwarding/table.ts";
import { tableRoutes } from "../../src/peers/plan.ts";
import { Registry } from "../../src/peers/registry.ts";
import { rowOf } from "../../src/peers/transport.ts";

const NODES = 201;
const SUBNETS_EACH = 50;
/** What config and table together may take. */
const BOUND_MS = 500;
const ROUNDS = 5;

/** The config of an overlay in which one node has 200 peers and 10,000 remote subnets. */
function largeYaml(): string {
  const lines = ["network: 10.0.0.0/8", "nodes:"];
  for (let node = 0; node < NODES; node++) {
    const subnets = Array.from({ length: SUBNETS_EACH }, (_, i) => {
      const subnet = node * SUBNETS_EACH + i;
      return `10.${subnet >> 8}.${subnet & 0xff}.0/24`;
    });
    lines.push(
      `  - name: node-${node}`,
      `    address: 192.168.0.${node + 1}`,
      `    subnets: [${subnets.join(", ")}]`,
    );
  }
  return lines.join("\n") + "\n";
}

/** Milliseconds for the config, and for the table that the lanes get. */
function load(text: string): readonly [config_ms: number, table_ms: number] {
  const start_ms = performance.now();
  const { config } = parseConfig(text, "bench");
  const parsed_ms = performance.now();
  const self = config.nodes[0]!;
  const { peers } = new Registry({ config, self }, 4, timersOf());
  const table = new ForwardingTable();
  for (const peer of peers) table.setPeer(peer.index, rowOf(peer, config.mode, 1472));
  table.publishRoutes(tableRoutes(self, peers), -1);
  return [parsed_ms - start_ms, performance.now() - parsed_ms];
}

/** Prints what the first load costs, as a node pays it, and the median of later ones. */
export function benchConfig(): void {
  const text = largeYaml();
  const rounds = Array.from({ length: 1 + ROUNDS }, () => load(text));
  const [first, ...later] = rounds;
  const [config_ms, table_ms] = first!;
  const total_ms = config_ms + table_ms;
  const sorted = later.map(([config, table]) => config + table).toSorted((a, b) => a - b);
  const name = `${NODES - 1} peers, ${NODES * SUBNETS_EACH} subnets: config and table`;
  console.log(
    `${name.padEnd(52)} ${total_ms.toFixed(0).padStart(9)} ms (config ${config_ms.toFixed(0)}, ` +
      `table ${table_ms.toFixed(0)}; again ${sorted[ROUNDS >> 1]!.toFixed(0)}); ` +
      (total_ms < BOUND_MS ? `below ${BOUND_MS} ms` : `ABOVE ${BOUND_MS} ms`),
  );
}
