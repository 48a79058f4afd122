import { assertEquals } from "../../assert.ts";
import { noKernelPath } from "../../../src/tools/lab/throughput.ts";

const line = (event: string, more: Record<string, unknown>) =>
  `${JSON.stringify({ level: "info", event, ...more })}\n`;

Deno.test("lab: why a node has no kernel path, as its log tells", () => {
  const before = line("config_file", { message: "config: t.yaml" });
  assertEquals(noKernelPath(before), undefined);
  assertEquals(noKernelPath(before + line("engine", { no_kernel_path: null })), undefined);
  const log = before + line("engine", { no_kernel_path: "every node has a key" }) + '{"event":"re';
  assertEquals(noKernelPath(log), "every node has a key");
});
