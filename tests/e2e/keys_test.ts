/** Nodes with keys: what passes, what does not, and what comes back by itself. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { DEFAULT_DEVICE } from "../../src/base/limits.ts";
import type { LabProcess } from "../../src/tools/lab/process.ts";
import { helloOf } from "../fakes/peers.ts";
import { ipv4 } from "../fakes/packets.ts";
import { readCapture } from "../inspect/pcap/reader.ts";
import { Bed, stopped, until } from "./harness.ts";
import { giveKeys, keyedArgs, keyFile, moveTo, newKeys } from "./keyed.ts";

const BYTES = 20_000_000;
/** Without the host's library. */
const WASM_ALONE = "auto,-libcrypto";
/** Ethernet, IPv4 and UDP before the payload of a captured datagram. */
const HEADERS_BYTES = 14 + 20 + 8;

/** An underlay address of no node. */
const ELSEWHERE = "192.168.0.5";

const startBoth = (bed: Bed, ...words: string[]) =>
  Promise.all([0, 1].map((i) => bed.start(i, keyedArgs(bed, i, ...words))));

for (const underlay of [4, 6] as const) {
  const engines = ["auto", "batch,lanes=2", "datagram", ...(underlay === 4 ? [WASM_ALONE] : [])];
  for (const engine of engines) {
    Deno.test(`keys: pods over IPv${underlay}, engine ${engine}`, async () => {
      await using bed = await Bed.create({ ipv6: true, underlay6: underlay === 6 });
      giveKeys(bed);
      const [a] = await startBoth(bed, "--engine", engine);
      const libcrypto = engine === WASM_ALONE ? "" : "( and libcrypto [0-9.]+[a-z]?)?";
      assertMatch(a!.log, new RegExp(`"aead":"wasm${libcrypto}"`));
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

Deno.test("keys: mode tap", async () => {
  await using bed = await Bed.create({ mode: "tap" });
  giveKeys(bed);
  // Sealed frames are longer, and a switch tells no station what fits.
  for (const i of [0, 1]) await bed.inPod(i, "ip", "link", "set", "eth0", "mtu", "1400");
  await startBoth(bed);
  await bed.ping(0, 1);
  const file = await bed.randomFile(BYTES);
  assertEquals(await bed.transfer(0, 1, file.path), file.sha256);
  assertEquals(await bed.transfer(1, 0, file.path), file.sha256);
});

Deno.test("keys: who listens reads nothing, and who sends again or in the clear changes nothing", async (t) => {
  await using bed = await Bed.create({ nodes: 3, configured: 3 });
  giveKeys(bed);
  const capture = await bed.capture(bed.node(0).namespace, "eth0");
  const [a] = await startBoth(bed);
  await bed.ping(0, 1);
  const known = "the quick brown fox jumps over the lazy dog ".repeat(500);
  Deno.writeTextFileSync(`${bed.dir}/known`, known);
  await bed.transfer(0, 1, `${bed.dir}/known`);
  await bed.transfer(1, 0, `${bed.dir}/known`);
  await capture.stop();
  const datagrams = readCapture(Deno.readFileSync(capture.file)).packets
    .map(({ bytes }) => bytes)
    .filter((bytes) => bytes[12] === 8 && bytes[13] === 0 && bytes[23] === 17)
    .map((bytes) => bytes.slice(HEADERS_BYTES));

  await t.step("not a word of the text is on the wire, nor any inner address", () => {
    assert(datagrams.length > 30, `${datagrams.length}`);
    const hex = datagrams.map((bytes) => bytes.toHex());
    const words = [new TextEncoder().encode("brown fox"), Uint8Array.of(172, 2, 0, 2)];
    for (const word of words) {
      assertEquals(hex.filter((one) => one.includes(word.toHex())).length, 0);
    }
    assert(
      datagrams.every(([type]) => type! >= 1 && type! <= 4),
      "nothing but WireGuard's messages",
    );
  });

  // A reader that no packet reaches but by the tunnel.
  const device = await bed.capture(bed.node(0).namespace, DEFAULT_DEVICE);
  const before = (await bed.counters(a!)).inbound;
  const grown = async (name: string) => {
    const { inbound } = await bed.counters(a!);
    return (inbound[name] ?? 0) - (before[name] ?? 0);
  };

  await t.step("what was captured and comes again is counted and goes nowhere", async () => {
    const data = datagrams.filter(([type]) => type === 4).slice(0, 200);
    await bed.forge(bed.node(2).namespace, 1, data);
    // The addresses of node b: by the third node, and again by node b itself.
    await bed.forge(bed.node(1).namespace, 1, data);
    const handshakes = datagrams.filter(([type]) => type === 1 || type === 2);
    await bed.forge(bed.node(2).namespace, 1, handshakes);
    await until(
      "all are counted",
      10_000,
      async () =>
        await grown("replayed") + await grown("no_session") + await grown("bad_tag") >= data.length,
    );
  });

  await t.step("plain packets and hellos in a peer's name are counted and go nowhere", async () => {
    const packets = [ipv4("172.2.0.2", "172.1.0.2"), ipv4("172.3.0.2", "172.1.0.2")];
    const hellos = [
      helloOf({ mode: "tap" }),
      helloOf({ leaving: true }),
      helloOf({ capabilities: 0 }),
    ];
    for (const as of [1, 2]) await bed.forge(bed.node(2).namespace, as, [...packets, ...hellos]);
    await until("all are counted", 10_000, async () => await grown("unencrypted") >= 10);
  });

  await t.step("and the tunnel goes on, with no packet of theirs", async () => {
    await bed.ping(0, 1);
    await device.stop();
    const { packets } = readCapture(Deno.readFileSync(device.file));
    // Three requests, three answers.
    assertEquals(packets.length, 6);
    const { stdout } = await bed.onNode(0, ...bed.command, "status", "--json");
    const [peer] = JSON.parse(stdout).peers;
    assertEquals([peer.state, peer.transport], ["up", "sealed"]);
    assert(peer.session_age_seconds > 0 && peer.session_age_seconds < 120, stdout);
  });
});

Deno.test("keys: a wrong key on either side: nothing passes, and both say why", async () => {
  await using bed = await Bed.create();
  giveKeys(bed);
  const right = Deno.readTextFileSync(`${bed.dir}/keyed.yaml`);
  // Node a has another key for node b than node b's own.
  const wrong = newKeys();
  const keys = [...right.matchAll(/public_key: "(.*)"/g)].map(([, key]) => key!);
  Deno.writeTextFileSync(`${bed.dir}/wrong.yaml`, right.replace(keys[1]!, wrong.publicKey));
  const args = ["-c", `${bed.dir}/wrong.yaml`, "--private-key-file", `${bed.dir}/key0`];
  const [a, b] = await Promise.all([bed.start(0, args), bed.start(1, keyedArgs(bed, 1))]);
  const ping = ["ping", "-n", "-q", "-c", "2", "-W", "1", bed.podAddress(1)];
  const said = (process: LabProcess, event: string) => process.log.includes(`"event":"${event}"`);
  await until("both say why", 20_000, async () => {
    assertEquals((await bed.inPod(0, ...ping)).code, 1);
    return said(a, "no_handshake") && (said(a, "wrong_key") || said(b, "wrong_key"));
  });
  assertMatch(b.log, /calls by keys that do not fit/);
  assertEquals((await bed.counters(b)).inbound.packets, 0);
  const found = await doctor(bed, 0, args);
  assertEquals(found.map(({ id }) => id), ["peer"], JSON.stringify(found));
  assertMatch(found[0]!.why, /no handshake with it: .* public_key/);
});

/** What the doctor finds wrong on node `i`. */
async function doctor(bed: Bed, i: number, args: readonly string[]) {
  const words = [...bed.command, "doctor", "--node", bed.node(i).name, "--json", ...args];
  const { checks }: { checks: { id: string; status: string; why: string }[] } = JSON.parse(
    (await bed.onNode(i, ...words)).stdout,
  );
  return checks.filter(({ status }) => status === "fail");
}

Deno.test("keys: the doctor finds nothing where all is well, and a file that all may read", async () => {
  await using bed = await Bed.create();
  giveKeys(bed);
  await Promise.all([bed.start(0, keyedArgs(bed, 0)), bed.start(1, keyedArgs(bed, 1))]);
  await until(
    "both have a session",
    20_000,
    async () =>
      (await bed.inPod(0, "ping", "-n", "-q", "-c", "1", "-W", "1", bed.podAddress(1))).code === 0,
  );
  await until("all is well", 20_000, async () => {
    assertEquals(await doctor(bed, 0, keyedArgs(bed, 0)), []);
    return true;
  });
  Deno.chmodSync(`${bed.dir}/key0`, 0o644);
  const found = await doctor(bed, 0, keyedArgs(bed, 0));
  assertEquals(found.map(({ id }) => id), ["keys"]);
  assertMatch(found[0]!.why, /everybody on this host may use this key/);
  const other = (await doctor(bed, 0, keyedArgs(bed, 1)))[0]!;
  assertMatch(other.why, /key1 is not the key of /);
});

Deno.test("keys: a key of another node, and none, are refused in one line", async (t) => {
  await using bed = await Bed.create({ bare: true });
  giveKeys(bed);
  const refused = async (...words: string[]) => {
    const args = [...bed.peerWords, ...words];
    const { code, stderr } = await bed.onNode(0, ...bed.command, ...args);
    return { code, lines: stderr.trim().split("\n").filter((line) => line.includes("error")) };
  };
  const config = ["-c", `${bed.dir}/keyed.yaml`];
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["missing", `${bed.dir}/none`, /none: there is no such key file; try: sudo tunnet key/],
    ["no key", keyFile(bed, "nonsense", "nonsense"), /nonsense: holds no key/],
    [
      "of another node",
      `${bed.dir}/key1`,
      /key1: not the key of node-a \(in .* has the public_key/,
    ],
  ];
  for (const [name, file, line] of cases) {
    await t.step(name, async () => {
      const { code, lines } = await refused(
        ...[...config, "--node", "node-a", "--private-key-file", file],
      );
      assertEquals([code, lines.length], [2, 1], lines.join("\n"));
      assertMatch(lines[0]!, line);
    });
  }
  await t.step("open to everybody", async () => {
    Deno.chmodSync(`${bed.dir}/key0`, 0o644);
    const { code, lines } = await refused(...config, "--private-key-file", `${bed.dir}/key0`);
    assertEquals([code, lines.length], [2, 1], lines.join("\n"));
    assertMatch(lines[0]!, /everybody on this host may use this key; try: chmod 600/);
  });
});

Deno.test("keys: new sessions under load, a peer that is killed, stopped, or both at once", async (t) => {
  await using bed = await Bed.create();
  giveKeys(bed);
  const words = ["--rekey-after", "2s"];
  let [a, b] = await startBoth(bed, ...words);
  await bed.ping(0, 1);
  await t.step("a transfer through many sessions", async () => {
    const { end } = await bed.iperf3Server(1);
    const ran = await bed.inPod(
      0,
      "iperf3",
      "-J",
      "-t",
      "9",
      "-b",
      "200M",
      "-c",
      bed.podAddress(1),
    );
    await end;
    const { sum_received } = JSON.parse(ran.stdout).end;
    assert(sum_received.bytes > 10_000_000, ran.stdout.slice(-800));
    for (const { inbound, outbound } of [await bed.counters(a!), await bed.counters(b!)]) {
      // Not even where both call at once is anything lost that was under way.
      const { no_session, bad_tag, replayed } = inbound;
      assertEquals([no_session, bad_tag, replayed, outbound.no_session], [0, 0, 0, 0]);
    }
    const file = await bed.randomFile(BYTES);
    assertEquals(await bed.transfer(1, 0, file.path), file.sha256);
  });
  await t.step("kill -9", async () => {
    Deno.kill(b!.pid, "SIGKILL");
    await b!.stop();
    b = await bed.start(1, keyedArgs(bed, 1, ...words));
    await bed.reachable(0, 1, 4_000);
  });
  await t.step("stopped for longer than sessions last", async () => {
    await stopped([b!], () => new Promise((resolve) => setTimeout(resolve, 4_000)));
    await bed.reachable(0, 1, 4_000);
  });
  await t.step("both start at once", async () => {
    await Promise.all([a!, b!].map((one) => one.stop()));
    await startBoth(bed, ...words);
    await bed.ping(0, 1);
  });
});

Deno.test("keys: a peer whose address changes is followed", async () => {
  await using bed = await Bed.create();
  giveKeys(bed);
  await startBoth(bed, "--listen", "0.0.0.0:3009");
  await bed.ping(0, 1);
  await moveTo(bed, 1, ELSEWHERE);
  await bed.reachable(1, 0, 5_000);
  await bed.reachable(0, 1, 5_000);
  const { stdout } = await bed.onNode(0, ...bed.command, "status", "--json");
  assertEquals(JSON.parse(stdout).peers[0].address, ELSEWHERE);
});

Deno.test("keys: a node behind a NAT has no address in the config, and is reached all the same", async () => {
  await using bed = await Bed.create();
  giveKeys(bed);
  const file = `${bed.dir}/keyed.yaml`;
  const { address } = bed.node(1);
  const yaml = Deno.readTextFileSync(file);
  Deno.writeTextFileSync(file, yaml.replace(new RegExp(`^ *address: "${address}"\\n`, "m"), ""));
  const rules = `table ip nat { chain out { type nat hook postrouting priority 100; ` +
    `oifname eth0 udp sport 3009 masquerade to :40000-40100; }; }`;
  const { code, stderr } = await bed.onNode(1, "nft", rules);
  assertEquals(code, 0, stderr);
  // The one that calls comes last: an initiation that nobody hears is sent again after 5 s.
  for (const i of [0, 1]) await bed.start(i, keyedArgs(bed, i));
  await bed.reachable(1, 0, 10_000);
  await bed.ping(0, 1);
  const random = await bed.randomFile(BYTES);
  assertEquals(await bed.transfer(0, 1, random.path), random.sha256);
  const { stdout } = await bed.onNode(0, ...bed.command, "status", "--json");
  const [peer] = JSON.parse(stdout).peers;
  assertEquals([peer.state, peer.address], ["up", address]);
  assert(peer.port >= 40_000 && peer.port <= 40_100, `port ${peer.port}`);
});
