import { assert, assertEquals } from "../../assert.ts";
import { DROPS } from "../../../src/forwarding/counters.ts";
import { DROP_MEANINGS } from "../../../src/status/model/drop_meaning.ts";

Deno.test("drop meanings: every drop has one, and nothing else does", () => {
  assertEquals(Object.keys(DROP_MEANINGS).sort(), [...DROPS].sort());
  for (const [name, { means }] of Object.entries(DROP_MEANINGS)) assert(means.length > 5, name);
});
