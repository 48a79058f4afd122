/** Nodes with keys beside a host that sends again all that it has heard, or floods with handshakes. */

import { assert, assertEquals, assertLessOrEqual } from "../assert.ts";
import { DEFAULT_DEVICE } from "../../src/base/limits.ts";
import type { LabProcess } from "../../src/tools/lab/process.ts";
import { readCapture } from "../inspect/pcap/reader.ts";
import { Bed, until } from "./harness.ts";
import { floodHandshakes, giveKeys, keyedArgs } from "./keyed.ts";

const TOLD_MS = 10_000;
/** Ethernet, IPv4 and UDP before the payload of a captured datagram. */
const HEADERS_BYTES = 14 + 20 + 8;

/** How many datagrams of each name a node has dropped since then. */
async function dropsOf(bed: Bed, node: LabProcess): Promise<() => Promise<Record<string, number>>> {
  const before = (await bed.counters(node)).inbound;
  return async () => {
    const { inbound } = await bed.counters(node);
    const grown = Object.entries(inbound).map(([name, count]) => [name, count - before[name]!]);
    return Object.fromEntries(grown.filter(([, count]) => count !== 0));
  };
}

/** How long is listened: through some sessions. */
const LISTENED_S = 5;

Deno.test("keys: all of some sessions, sent again, also to a node that has started anew", async (t) => {
  await using bed = await Bed.create({ nodes: 3, configured: 2 });
  giveKeys(bed);
  const words = ["--rekey-after", "1s"];
  let [a, b] = await Promise.all([0, 1].map((i) => bed.start(i, keyedArgs(bed, i, ...words))));
  const capture = await bed.capture(bed.node(0).namespace, "eth0");
  const pings = ["ping", "-n", "-q", "-c", `${20 * LISTENED_S}`, "-i", "0.05"];
  const pinged = await Promise.all(
    [0, 1].map((i) => bed.inPod(i, ...pings, bed.podAddress(1 - i))),
  );
  assertEquals(pinged.map(({ code }) => code), [0, 0]);
  await capture.stop();
  const [from, to] = [bed.node(1), bed.node(0)]
    .map(({ address }) => Uint8Array.from(address.split("."), Number).toHex());
  const heard = readCapture(Deno.readFileSync(capture.file)).packets
    .map(({ bytes }) => bytes)
    .filter((bytes) => bytes.slice(26, 34).toHex() === from! + to! && bytes[23] === 17)
    .map((bytes) => bytes.slice(HEADERS_BYTES));
  const handshakes = heard.filter(([type]) => type === 1 || type === 2).length;
  assert(handshakes >= LISTENED_S / 2, `${handshakes} of ${heard.length}`);
  assert(heard.length >= 40 * LISTENED_S, `${heard.length}`);

  /** Sends all of it again, as itself and as node b; what node a has dropped. */
  const sendAgain = async () => {
    const device = await bed.capture(bed.node(0).namespace, DEFAULT_DEVICE);
    const drops = await dropsOf(bed, a!);
    for (const as of [2, 1]) await bed.forge(bed.node(2).namespace, as, heard);
    const wanted = 2 * heard.length;
    let dropped: Record<string, number> = {};
    await until(() => `${wanted} are counted: ${JSON.stringify(dropped)}`, TOLD_MS, async () => {
      dropped = await drops();
      const names = ["replayed", "no_session", "bad_tag", "bad_handshake", "handshake_flood"];
      return names.reduce((sum, name) => sum + (dropped[name] ?? 0), 0) >=
        wanted - 2 * handshakes;
    });
    await device.stop();
    const { packets } = readCapture(Deno.readFileSync(device.file));
    assertEquals(packets.length, 0, "packets at the device");
    assertEquals(dropped["packets"] ?? 0, 0);
    return dropped;
  };

  await t.step("nothing reaches the device, and the tunnel goes on", async () => {
    const dropped = await sendAgain();
    // Each of them, handshakes too: what the peer itself sends is neither.
    const old = (dropped["replayed"] ?? 0) + (dropped["no_session"] ?? 0);
    assert(old >= 2 * (heard.length - handshakes), JSON.stringify(dropped));
    await bed.ping(0, 1);
    await bed.ping(1, 0);
  });
  await t.step("nor where the node has started anew, and remembers nothing", async () => {
    await a!.stop();
    // Without its peer, nothing but what was recorded comes to it.
    Deno.kill(b!.pid, "SIGSTOP");
    a = await bed.start(0, keyedArgs(bed, 0, ...words));
    await sendAgain();
    const { stdout } = await bed.onNode(0, ...bed.command, "status", "--json");
    const [peer] = JSON.parse(stdout).peers;
    assertEquals([peer.address, peer.session_age_seconds ?? null], [bed.node(1).address, null]);
    Deno.kill(b!.pid, "SIGCONT");
    await bed.reachable(0, 1, TOLD_MS);
    await bed.ping(1, 0);
  });
});

const RATE = 10_000;
const FLOOD_S = 6;
/** What V8 takes and gives back as it likes, of some 130 MB. */
const GROWTH_MAX_MB = 40;
const BYTES = 20_000_000;

Deno.test("keys: a flood of handshakes is counted, takes no memory, and lets peers through", async () => {
  await using bed = await Bed.create({ nodes: 3, configured: 2 });
  const keys = giveKeys(bed);
  const words = ["--rekey-after", "6s"];
  const [a, b] = await Promise.all(
    [0, 1].map((i) => bed.start(i, keyedArgs(bed, i, ...words))),
  );
  await bed.ping(0, 1);
  const { publicKey } = keys[0]!;
  const flood = (seconds: number) =>
    floodHandshakes(bed, { from: 2, as: 1, to: 0, publicKey, rate: RATE, seconds });
  const rss_mb = () =>
    Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${a!.pid}/status`))![1]) / 1024;
  const file = await bed.randomFile(BYTES);
  // What the first flood makes the compiler and the collector need is no leak.
  await flood(2);
  const before_mb = rss_mb();
  const drops = await dropsOf(bed, a!);
  let flooding = true;
  let carried = 0;
  const carry = async () => {
    while (flooding) {
      assertEquals(await bed.transfer(0, 1, file.path), file.sha256);
      assertEquals(await bed.transfer(1, 0, file.path), file.sha256);
      carried++;
    }
  };
  const carrying = carry();
  const { sent, cookies } = await flood(FLOOD_S).finally(() => flooding = false);
  await carrying;
  // Sessions end after half as long again: there has been a new one, made under the flood.
  await bed.ping(0, 1);
  await bed.ping(1, 0);
  assert(sent > RATE * FLOOD_S / 2, `${sent} sent`);
  assert(cookies > 0, "the flood from a real address has no cookie");
  let dropped: Record<string, number> = {};
  await until(() => `${sent} are counted: ${JSON.stringify(dropped)}`, TOLD_MS, async () => {
    dropped = await drops();
    const names = ["handshake_flood", "bad_handshake", "socket_overflow"];
    return names.reduce((sum, name) => sum + (dropped[name] ?? 0), 0) >= sent;
  });
  assertLessOrEqual(rss_mb() - before_mb, GROWTH_MAX_MB);
  console.log(
    `${sent} sent, ${cookies} cookies, ${carried} times ${BYTES} bytes both ways, ` +
      `${before_mb.toFixed(0)} to ${rss_mb().toFixed(0)} MB, ${JSON.stringify(dropped)}`,
  );
  const { outbound } = await bed.counters(b!);
  assertEquals(outbound["no_session"], 0);
});
