import { assertEquals } from "../assert.ts";
import { Bed } from "./harness.ts";
import { seedText, startSeed } from "./seed.ts";

Deno.test({
  name: "the tutorial's C program on node b, tunnet on node a: ping and TCP both ways",
  ignore: seedText === undefined,
  async fn() {
    await using bed = await Bed.create();
    await startSeed(bed, seedText!);
    const a = await bed.start(0);
    await bed.ping(0, 1);
    await bed.ping(1, 0);
    await bed.ping(0, 1, "-s", "4000");
    const { path, sha256 } = await bed.randomFile(50_000_000);
    assertEquals(await bed.transfer(0, 1, path), sha256, "tunnet to C");
    assertEquals(await bed.transfer(1, 0, path), sha256, "C to tunnet");
    const { inbound } = await bed.counters(a);
    assertEquals([inbound["malformed"], inbound["spoofed_source"]], [0, 0]);
  },
});
