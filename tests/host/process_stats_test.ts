import { assert, assertEquals } from "../assert.ts";
import { cpuSeconds, processStats } from "../../src/host/process_stats.ts";

Deno.test("process: figures of this very process", () => {
  const before = processStats();
  assert(before.cpu_seconds! > 0, "CPU time");
  const { rss } = Deno.memoryUsage();
  assert(before.resident_bytes! > rss / 4 && before.resident_bytes! < rss * 4, "resident memory");
  assert(before.virtual_bytes! > before.resident_bytes!, "address space");
  assert(before.max_fds! > 0, "descriptors");
  // Before Linux 6.2 nobody tells.
  if (before.open_fds === null) return;
  const files = Array.from({ length: 5 }, () => Deno.openSync("/dev/null"));
  assertEquals(processStats().open_fds, before.open_fds + 5);
  for (const file of files) file.close();
});

Deno.test("process: a name that looks like the rest of the line", () => {
  const rest = "S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
  assertEquals(cpuSeconds(`42 (a) b 1 2) ${rest}`), 2);
  assertEquals(cpuSeconds(""), null);
});
