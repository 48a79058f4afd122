/** Nodes with keys: what passes, and what does not. */

import { assertEquals } from "../assert.ts";
import { Bed } from "./harness.ts";
import { giveKeys, keyedArgs } from "./keyed.ts";

const BYTES = 20_000_000;

for (const underlay of [4, 6] as const) {
  for (const engine of ["auto", "batch,lanes=2", "datagram"]) {
    Deno.test(`keys: pods over IPv${underlay}, engine ${engine}`, async () => {
      await using bed = await Bed.create({ ipv6: true, underlay6: underlay === 6 });
      giveKeys(bed);
      const words = ["--engine", engine];
      await Promise.all([0, 1].map((i) => bed.start(i, keyedArgs(bed, i, ...words))));
      // The first packet waits for the handshake, and is not lost.
      for (const version of [4, 6] as const) {
        await bed.ping(0, 1, bed.podAddress(1, version));
        await bed.ping(1, 0, bed.podAddress(0, version), "-s", version === 4 ? "4000" : "1300");
      }
      const file = await bed.randomFile(engine === "datagram" ? BYTES / 10 : BYTES);
      assertEquals(await bed.transfer(0, 1, file.path), file.sha256);
      assertEquals(await bed.transfer(1, 0, file.path, 6), file.sha256);
    });
  }
}
