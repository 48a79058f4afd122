import { pingResult, podPairs } from "../../../src/tools/lab/pings.ts";
import { assertEquals } from "../../assert.ts";
import { planOf } from "./plan.ts";

Deno.test("each pod is paired with each address of the others", () => {
  const pairs = (nodes: number, ipv6 = false) => podPairs(planOf({ nodes, ipv6 })).length;
  assertEquals([pairs(2), pairs(3), pairs(5), pairs(2, true)], [2, 6, 20, 4]);
  const plan = planOf({ ipv6: true });
  // A pod without IPv6 cannot answer over it.
  const [first, second] = plan.nodes;
  const only4 = { ...first!, podAddresses: first!.podAddresses.slice(0, 1) };
  const found = podPairs({ ...plan, nodes: [only4, second!] });
  assertEquals(found.map(({ from, address }) => [from.name, address]), [
    ["node-a", "172.2.0.2"],
    ["node-b", "172.1.0.2"],
  ]);
});

Deno.test("round trips to one line: mean, loss, digits", () => {
  const [pair] = podPairs(planOf());
  const ends = { from: "node-a", to: "node-b", address: "172.2.0.2" };
  const table = [
    [[0.1, 0.2, 0.3], { received: 3, loss_pct: 0, rtt_ms: 0.2 }],
    [[0.1234567, null, null], { received: 1, loss_pct: 200 / 3, rtt_ms: 0.123 }],
    [[null, null, null], { received: 0, loss_pct: 100, rtt_ms: null }],
  ] as const;
  for (const [trips, want] of table) {
    assertEquals(pingResult(pair!, trips), { ...ends, sent: 3, ...want });
  }
});
