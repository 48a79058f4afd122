import { assertEquals } from "../assert.ts";
import { planLanes } from "../../src/engine/plan_lanes.ts";

Deno.test("lanes: one for both directions on up to two cores, else one each", () => {
  const both = [["outbound", "inbound"]] as const;
  const apart = [["outbound"], ["inbound"]] as const;
  assertEquals([1, 2, 3, 64].map((cores) => planLanes(cores)), [both, both, apart, apart]);
});
