/**
 * `deno task bench`: what one packet costs in the pure parts, in nanoseconds,
 * what it costs to seal and to open one, and a handshake, what a large config costs, and what one node costs: start to first packet,
 * memory, idle CPU. Medians; machines differ and are noisy, so compare runs on
 * one machine.
 * `deno task bench soak|sessions [--minutes N]`: see soak.ts.
 * `deno task bench floods|handshakes [--minutes N]`: see floods.ts.
 */

import { Bed, until } from "../e2e/harness.ts";
import { ipv4 } from "../fakes/packets.ts";
import { random } from "../fuzz/random.ts";
import { sum16 } from "../../src/net/checksum.ts";
import { checkPacket } from "../../src/net/ip.ts";
import { plainArena, simdArena } from "../../src/net/simd.ts";
import { maskBytes } from "../../src/net/prefix.ts";
import { NO_ROUTE, ROUTE_TABLE_BYTES, RouteTable } from "../../src/forwarding/prefixes.ts";
import { Merger } from "../../src/offload/coalesce.ts";
import { SPLIT_HEADER_MAX_BYTES, Splitter } from "../../src/offload/segment.ts";
import { VNET_BYTES, VNET_GSO, writeVnet } from "../../src/offload/vnet.ts";
import { benchAead } from "./aead.ts";
import { benchConfig } from "./config.ts";
import { benchDataplane } from "./dataplane.ts";
import { measure, median } from "./measure.ts";
import { benchPeers } from "./peers.ts";
import { floods, KEYED, PLAIN } from "./floods.ts";
import { soak } from "./soak.ts";

function benchLookup(count: number): void {
  const dice = random(count);
  const routes = Array.from({ length: count }, (_, hop) => {
    const length_bits = 12 + dice.below(17);
    const bytes = maskBytes(dice.bytes(4), length_bits);
    return { prefix: { version: 4 as const, bytes, length_bits }, hop: hop % 4000 };
  });
  const table = new RouteTable(new SharedArrayBuffer(ROUTE_TABLE_BYTES));
  const start_ms = performance.now();
  table.write(routes, NO_ROUTE);
  const build_ms = performance.now() - start_ms;
  const addresses = new DataView(dice.bytes(4 * 1024).buffer);
  let sink = 0;
  measure(`lookup, ${count} prefixes (built in ${build_ms.toFixed(0)} ms)`, 1024, "packet", () => {
    for (let i = 0; i < 1024; i++) sink += table.lookup4(addresses, 4 * i);
  });
  if (sink === 1) console.log();
}

const MSS = 1420;
const SEGMENTS = 44;

/** A TCP super-packet with its virtio header, at `at` of an arena like a lane's. */
function superPacket(): { view: DataView; at: number; length: number } {
  const tcp = [0x9c, 0x40, 0x14, 0x51, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0];
  const packet = ipv4("172.1.0.2", "172.2.0.2", [...tcp, ...Array(MSS * SEGMENTS).fill(7)], {
    protocol: 6,
  });
  const { bytes, view, start } = simdArena(16 + packet.length);
  const at = start + 16;
  bytes.set(packet, at);
  writeVnet(view, at - VNET_BYTES, VNET_GSO.tcp4, 40, MSS, 20, 16);
  return { view, at, length: packet.length };
}

function benchSegments(): void {
  const { view, at: whole, length } = superPacket();
  const out = new DataView(new ArrayBuffer(SPLIT_HEADER_MAX_BYTES + 8));
  const splitter = new Splitter();
  for (const complete of [false, true]) {
    const name = `split, checksums ${complete ? "completed" : "left partial"}`;
    measure(name, SEGMENTS, "segment", () => {
      const segments = splitter.begin(view, whole, length, whole - VNET_BYTES);
      for (let i = 0; i < segments; i++) splitter.writeHeader(i, out, 0, complete);
    });
  }
  for (const complete of [false, true]) {
    // As UDP_GRO delivers them: one behind the other.
    const stride = MSS + 40;
    const { bytes: arena, view: arenaView, start } = simdArena(16 + SEGMENTS * stride);
    const row = start + 16;
    splitter.begin(view, whole, length, whole - VNET_BYTES);
    for (let i = 0; i < SEGMENTS; i++) {
      arena.fill(7, row + i * stride, row + (i + 1) * stride);
      splitter.writeHeader(i, arenaView, row + i * stride, complete);
    }
    // Merging rewrites the first header: each turn starts from the same bytes.
    const first = arena.slice(row - 16, row + 40);
    const features = { tcp4: true, tcp6: true, udp: true };
    const merger = new Merger({ writeRun() {} }, features);
    const name = `check and merge, checksums ${complete ? "verified" : "partial"}`;
    measure(name, SEGMENTS, "segment", () => {
      arena.set(first, row - 16);
      for (let i = 0; i < SEGMENTS; i++) {
        const at = row + i * stride;
        merger.add(arenaView, at, stride, checkPacket(arenaView, at, stride) as 4, true);
      }
      merger.flush();
    });
    measure(`${name}, received as one`, SEGMENTS, "segment", () => {
      arena.set(first, row - 16);
      merger.add(arenaView, row, stride, checkPacket(arenaView, row, stride) as 4, true);
      merger.follow(arenaView, row + stride, stride, SEGMENTS - 1);
      merger.flush();
    });
  }
  measure("checksum", 1, "1,420 bytes", () => void sum16(view, whole, MSS));
  const plain = plainArena(MSS).view;
  measure("checksum without SIMD", 1, "1,420 bytes", () => void sum16(plain, 0, MSS));
}

async function benchNode(): Promise<void> {
  const first_ms: number[] = [];
  let rss_kb = 0;
  let idle_pct = 0;
  for (let round = 0; round < 5; round++) {
    await using bed = await Bed.create();
    await bed.start(1);
    const start_ms = performance.now();
    const a = bed.launch(0);
    const words = ["ping", "-q", "-c", "1", "-W", "0.02", bed.podAddress(1)];
    await until("first packet", 10_000, async () => (await bed.inPod(0, ...words)).code === 0);
    first_ms.push(performance.now() - start_ms);
    if (round > 0) continue;
    await bed.inPod(0, "ping", "-q", "-c", "50", "-i", "0.002", bed.podAddress(1));
    const status = Deno.readTextFileSync(`/proc/${a.pid}/status`);
    rss_kb = Number(/VmRSS:\s+(\d+)/.exec(status)![1]);
    // CPU time in ticks of 10 ms (proc(5): utime and stime), over 10 idle seconds.
    const ticks = () => {
      const fields = Deno.readTextFileSync(`/proc/${a.pid}/stat`).replace(/^.*\) /, "").split(" ");
      return Number(fields[11]) + Number(fields[12]);
    };
    const before = ticks();
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    idle_pct = (ticks() - before) / 10;
  }
  console.log(
    `start to first packet from pod to pod ${median(first_ms).toFixed(0).padStart(23)} ms`,
  );
  console.log(`resident memory of a node ${(rss_kb / 1024).toFixed(0).padStart(35)} MB`);
  console.log(`CPU of an idle node ${idle_pct.toFixed(1).padStart(41)} % of a core`);
}

/** What runs for minutes: true if every bound held. */
const SUBJECTS: ReadonlyMap<string, (minutes: number) => Promise<boolean>> = new Map([
  ["soak", (minutes) => soak(minutes, false)],
  ["sessions", (minutes) => soak(minutes, true)],
  ["floods", (minutes) => floods(minutes, PLAIN)],
  ["handshakes", (minutes) => floods(minutes, KEYED)],
]);

const [what, flag, minutes = "10", ...rest] = Deno.args;
if (what === undefined) {
  // First: a node pays for it before anything has been compiled.
  benchConfig();
  await benchPeers();
  for (const count of [2, 10_000]) benchLookup(count);
  benchSegments();
  benchAead();
  benchDataplane();
  if (Deno.uid() === 0) await benchNode();
  else console.log("SKIPPED: the figures of a node need root");
} else {
  const run = SUBJECTS.get(what);
  const isUsed = run && (flag ?? "--minutes") === "--minutes" && Number(minutes) > 0 &&
    rest.length === 0;
  if (!isUsed) {
    console.error(`usage: deno task bench [${[...SUBJECTS.keys()].join("|")} [--minutes N]]`);
    Deno.exitCode = 2;
  } else if (!await run(Number(minutes))) Deno.exitCode = 1;
}
