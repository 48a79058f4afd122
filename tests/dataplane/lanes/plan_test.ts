import { assertEquals } from "../../assert.ts";
import { lanesFor, planLanes, queuesFor } from "../../../src/dataplane/lanes/plan.ts";

const BOTH = ["inbound", "outbound"] as const;
const inbound = { directions: ["inbound"], queue: 0 } as const;
const outbound = (queue: number) => ({ directions: ["outbound"], queue } as const);

Deno.test("lanes: as many as there are cores, within bounds; one for both ways on two", () => {
  assertEquals([1, 2, 3, 4, 64].map(lanesFor), [1, 1, 3, 4, 4]);
  assertEquals([1, 2, 3, 4].map(queuesFor), [1, 1, 2, 3]);
});

Deno.test("lanes: one ingress, each egress with its own queue", () => {
  assertEquals(planLanes(1, 1), [{ directions: BOTH, queue: 0 }]);
  assertEquals(planLanes(2, 1), [outbound(0), inbound]);
  assertEquals(planLanes(4, 3), [outbound(0), outbound(1), outbound(2), inbound]);
});

Deno.test("lanes: a device that has one queue gets one egress", () => {
  assertEquals(planLanes(4, 1), [outbound(0), inbound]);
});
