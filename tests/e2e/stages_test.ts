/**
 * A node that is ended at any moment, of its start as of its end, leaves nothing that its host, or
 * the next start and end, do not put back.
 */

import { assert, assertEquals } from "../assert.ts";
import { KERNEL_PATH } from "../kernel_path/possible.ts";
import { Bed, until } from "./harness.ts";

type Shape = Parameters<typeof Bed.create>[0];

/** What is to be seen of a running node, in the order in which it comes; commands of a shell. */
const MARKS = {
  lock: "grep -q @tunnet/device/tunnet0 /proc/net/unix",
  port: "ss -Hlun | grep -q :3009",
  device: "test -e /sys/class/net/tunnet0",
  filter: "nft list tables | grep -q tunnet0",
  helper: "test -e /sys/class/net/tunnet0-in",
} as const;
type Mark = keyof typeof MARKS;

/** Sends a signal to a process at the moment at which a mark has come, or gone; false if it has ended. */
async function signalAt(
  bed: Bed,
  pid: number,
  signal: "KILL" | "TERM",
  mark: Mark,
  gone: boolean,
): Promise<boolean> {
  const loop = `${gone ? "while" : "until"} ${MARKS[mark]}; do kill -0 ${pid} || exit 1; done`;
  const words = ["timeout", "15", "sh", "-c", `${loop}; kill -${signal} ${pid}`];
  return (await bed.onNode(0, ...words)).code === 0;
}

/** A killed node's filter waits for the next node. */
const withoutFilter = (state: string) =>
  state.replace(/table inet tunnet-tunnet0 \{\n[^]*?\n\}\n/, "");

const SHAPES: readonly [string, Shape, readonly string[], readonly ("KILL" | "TERM")[]][] = [
  ["mode tun, by the kernel path", { ipv6: true }, [], ["TERM", "KILL"]],
  ["over IPv6, by lanes", { ipv6: true, underlay6: true }, ["--engine", "batch"], ["KILL"]],
  ["mode tap", { mode: "tap" }, [], ["KILL"]],
];

for (const [name, shape, engine, signals] of SHAPES) {
  Deno.test(`ended at any moment: ${name}`, async (t) => {
    await using bed = await Bed.create(shape);
    const args = ["-c", `${bed.dir}/tunnet.yaml`, ...engine];
    // A first start leaves forwarding on.
    await (await bed.start(0, args)).stop();
    const before = await bed.state(0);
    const helper = engine.length === 0 && shape?.mode !== "tap" && KERNEL_PATH;
    const marks = (Object.keys(MARKS) as Mark[]).filter((mark) => helper || mark !== "helper");
    for (const signal of signals) {
      for (const mark of marks) {
        await t.step(`SIG${signal} when its ${mark} is there`, async () => {
          const node = bed.launch(0, args);
          assert(await signalAt(bed, node.pid, signal, mark, false));
          const { code } = await node.status;
          assert(!node.log.includes('"level":"error"'), node.log);
          if (signal === "TERM") {
            // It may come before there is anything to undo.
            assert(code === 0 || code === 143, `${code}`);
            assertEquals(await bed.state(0), before);
          } else {
            const same = async () => withoutFilter(await bed.state(0)) === before;
            await until("the kernel has removed the rest", 5_000, same);
          }
        });
      }
    }
    for (const mark of marks) {
      await t.step(`SIGKILL when it ends and its ${mark} is gone`, async () => {
        const node = await bed.start(0, args);
        Deno.kill(node.pid, "SIGTERM");
        await signalAt(bed, node.pid, "KILL", mark, true);
        await node.status;
        const same = async () => withoutFilter(await bed.state(0)) === before;
        await until("the kernel has removed the rest", 5_000, same);
      });
    }
    await t.step("the next one starts, carries and ends as ever", async () => {
      const [a] = await Promise.all([bed.start(0, args), bed.start(1, args)]);
      await bed.reachable(0, 1, 10_000);
      await a.stop();
      assertEquals((await a.status).code, 0);
      assertEquals(await bed.state(0), before);
    });
  });
}

const MADE: readonly [string, Shape, string][] = [
  ["mode tun, IPv6", { ipv6: true, underlay6: true }, "mode tun vnet_hdr"],
  ["several queues", {}, "mode tun multi_queue"],
  ["mode tap", { mode: "tap" }, "mode tap vnet_hdr"],
];

for (const [name, shape, made] of MADE) {
  Deno.test(`killed on a device made beforehand: the next one puts it back (${name})`, async () => {
    await using bed = await Bed.create(shape);
    const run = (words: string) => bed.onNode(0, ...words.split(" "));
    const args = ["-c", `${bed.dir}/tunnet.yaml`];
    await (await bed.start(0, args)).stop();
    await run(`ip tuntap add tunnet0 ${made}`);
    await run("ip link set tunnet0 mtu 1350 alias mine");
    const before = await bed.state(0);
    const a = await bed.start(0, args);
    if (shape?.mode !== "tap") {
      // Addresses and routes of a reload as well.
      Deno.writeTextFileSync(`${bed.dir}/tunnet.yaml`, bed.yaml.replaceAll("172.1.", "172.9."));
      Deno.kill(a.pid, "SIGHUP");
      await until("it is reloaded", 10_000, () => a.log.includes('"event":"reloaded"'));
      Deno.writeTextFileSync(`${bed.dir}/tunnet.yaml`, bed.yaml);
    }
    Deno.kill(a.pid, "SIGKILL");
    await a.status;
    const [again] = await Promise.all([bed.start(0, args), bed.start(1, args)]);
    assert(again.log.includes("put tunnet0 back as it was"), again.log);
    await bed.reachable(0, 1, 10_000);
    await again.stop();
    assertEquals(await bed.state(0), before);
    assert((await run("ip link show tunnet0")).stdout.includes("alias mine"));
  });
}
