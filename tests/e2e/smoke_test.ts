/** From source, as a developer starts it: all other end-to-end tests run the executable. */

import { assertEquals } from "../assert.ts";
import { Bed } from "./harness.ts";

Deno.test("from source: two nodes, a ping, and nothing is left", async () => {
  await using bed = await Bed.create({ source: true });
  const before = await bed.state(0);
  const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
  await bed.ping(0, 1);
  await Promise.all([a.stop(), b.stop()]);
  assertEquals([(await a.status).code, (await b.status).code], [0, 0]);
  assertEquals(await bed.state(0), before);
});
