/** A real wireguard-go as a peer of a node: pods behind both, without and with a preshared key. */

import { assert, assertEquals, assertStringIncludes } from "../assert.ts";
import { missing } from "../peers/wireguard_go.ts";
import { KEY_BYTES } from "../../src/wire/keys.ts";
import { Bed, until, Words } from "./harness.ts";
import { floodHandshakes, giveKeys, keyedArgs, keyFile, moveTo } from "./keyed.ts";

const why = missing();
if (why !== undefined) console.log(`SKIPPED tests/e2e/wireguard_test.ts: ${why}`);

const BYTES = 10_000_000;
const TOLD_MS = 10_000;
const DEVICE = "wg0";
const MTU = "1420";

/** Starts wireguard-go on node 1, whose pods reach those of node 0 by it. */
async function startWireGuard(
  bed: Bed,
  publicKey: string,
  psk?: string,
): Promise<{ readonly child: Deno.ChildProcess; readonly log: Words }> {
  const { namespace } = bed.node(1);
  const run = async (...words: string[]) => {
    const { code, stderr } = await bed.onNode(1, ...words);
    assertEquals(code, 0, `${words.join(" ")}: ${stderr}`);
  };
  const child = bed.spawn(namespace, ["env", "LOG_LEVEL=verbose", "wireguard-go", "-f", DEVICE]);
  const [log] = [child.stdout, child.stderr].map((output) => new Words(output));
  const isUp = async () => (await bed.onNode(1, "wg", "show", DEVICE)).code === 0;
  await until("wireguard-go is up", 10_000, isUp);
  const shared = psk === undefined ? [] : ["preshared-key", psk];
  await run(
    ...["wg", "set", DEVICE, "listen-port", "3009", "private-key", `${bed.dir}/key1`],
    ...["peer", publicKey, ...shared, "endpoint", `${bed.node(0).address}:3009`],
    ...["allowed-ips", "172.1.0.0/16,fd00:172:1::/64"],
  );
  await run("ip", "link", "set", DEVICE, "up", "mtu", MTU);
  await run("ip", "route", "add", "172.1.0.0/16", "dev", DEVICE);
  await run("ip", "-6", "route", "add", "fd00:172:1::/64", "dev", DEVICE);
  await run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
  return { child, log: log! };
}

/** What `wg show` says of the one peer. */
async function shown(bed: Bed) {
  const dump = (await bed.onNode(1, "wg", "show", DEVICE, "dump")).stdout.split("\n")[1]!;
  const [, psk, endpoint, , handshake_s, received, sent] = dump.split("\t");
  return {
    ...{ psk, endpoint },
    handshake_s: Number(handshake_s),
    received: Number(received),
    sent: Number(sent),
  };
}

/** What the node says of it. */
async function statusOf(bed: Bed) {
  return JSON.parse((await bed.onNode(0, ...bed.command, "status", "--json")).stdout).peers[0];
}

for (const withPsk of [false, true]) {
  Deno.test({
    name: `wireguard-go as a peer, ${withPsk ? "with" : "without"} a preshared key`,
    ignore: why !== undefined,
    fn: async (t) => {
      await using bed = await Bed.create({ ipv6: true });
      const random = crypto.getRandomValues(new Uint8Array(KEY_BYTES)).toBase64();
      const psk = withPsk ? keyFile(bed, "psk", random) : undefined;
      const keys = giveKeys(
        bed,
        (i) =>
          i === 0
            ? []
            : ["wireguard: true", ...(psk === undefined ? [] : [`preshared_key_file: ${psk}`])],
      );
      const node = await bed.start(
        0,
        keyedArgs(bed, 0, "--rekey-after", "5s", "--listen", "0.0.0.0:3009"),
      );
      let { child } = await startWireGuard(bed, keys[0]!.publicKey, psk);
      await t.step("the node begins: the first packet is not lost", async () => {
        await bed.ping(0, 1);
        await bed.ping(0, 1, bed.podAddress(1, 6));
      });
      await t.step("TCP each way, through new sessions", async () => {
        const file = await bed.randomFile(BYTES);
        assertEquals(await bed.transfer(0, 1, file.path), file.sha256);
        assertEquals(await bed.transfer(1, 0, file.path, 6), file.sha256);
        const { end } = await bed.iperf3Server(1);
        const words = ["iperf3", "-J", "-t", "7", "-b", "20M", "-c", bed.podAddress(1)];
        const ran = await bed.inPod(0, ...words);
        await end;
        assert(JSON.parse(ran.stdout).end.sum_received.bytes > 10_000_000, ran.stdout.slice(-500));
      });
      await t.step("both sides agree on what went by", async () => {
        const both = () => Promise.all([shown(bed), statusOf(bed)]);
        // Of the same session, up to the second that wg tells.
        await until("both name one session", TOLD_MS, async () => {
          await bed.ping(0, 1);
          const [{ handshake_s }, { session_age_seconds }] = await both();
          const age_s = Date.now() / 1000 - handshake_s;
          return session_age_seconds !== null && Math.abs(session_age_seconds - age_s) < 1.5;
        });
        const [theirs, ours] = await both();
        assertEquals(theirs.endpoint, `${bed.node(0).address}:3009`);
        assertEquals([ours.address, ours.port], [bed.node(1).address, 3009]);
        assertEquals(theirs.psk !== "(none)", withPsk);
        // It says no hello: no round trip is known, but that there is a session.
        assertEquals([ours.state, ours.transport], ["plain", "sealed"]);
        // It counts whole messages: packets of 1,040 bytes, which need no padding, and 32 more.
        const pings = ["ping", "-n", "-q", "-c", "50", "-i", "0.02", "-s", "1012"];
        assertEquals((await bed.inPod(0, ...pings, bed.podAddress(1))).code, 0);
        for (const [there, here] of [["received", "outbound"], ["sent", "inbound"]] as const) {
          const carried = async () => {
            const { packets, bytes } = (await statusOf(bed))[here];
            return [packets - ours[here].packets, bytes - ours[here].bytes].join();
          };
          await until(`50 packets ${here}`, TOLD_MS, async () => await carried() === "50,52000");
          // A keepalive, or a handshake, may be among them.
          const more = (await shown(bed))[there] - theirs[there] - 50 * (1040 + 32);
          assert(more >= 0 && more < 1_000, `${there}: ${more}`);
        }
        const { inbound } = await bed.counters(node);
        assertEquals([inbound.bad_tag, inbound.replayed, inbound.unencrypted], [0, 0, 0]);
      });
      await t.step("it is started again, and begins", async () => {
        child.kill("SIGTERM");
        await child.status;
        ({ child } = await startWireGuard(bed, keys[0]!.publicKey, psk));
        await bed.reachable(1, 0, 5_000);
        await bed.ping(0, 1);
      });
      await t.step("either moves to another address, and the other follows", async () => {
        const [ours, theirs] = ["192.168.0.5", "192.168.0.6"];
        await moveTo(bed, 1, theirs!);
        // With a new socket: it would send from the old address for some 15 s.
        assertEquals((await bed.onNode(1, "wg", "set", DEVICE, "listen-port", "3010")).code, 0);
        await bed.reachable(1, 0, 5_000);
        await bed.ping(0, 1);
        const { address, port } = await statusOf(bed);
        assertEquals([address, port], [theirs, 3010]);
        await moveTo(bed, 0, ours!, theirs);
        await bed.reachable(0, 1, 5_000);
        await bed.ping(1, 0);
        assertEquals((await shown(bed)).endpoint, `${ours}:3009`);
      });
    },
  });
}

Deno.test({
  name: "wireguard-go as a peer, while others flood it, and then the node, with handshakes",
  ignore: why !== undefined,
  fn: async (t) => {
    await using bed = await Bed.create({ nodes: 3, configured: 2 });
    const keys = giveKeys(bed, (i) => i === 0 ? [] : ["wireguard: true"]);
    const start = () => bed.start(0, keyedArgs(bed, 0, "--rekey-after", "12s"));
    const node = await start();
    let again = node;
    const first = await startWireGuard(bed, keys[0]!.publicKey);
    await bed.ping(0, 1);
    const flood = (to: number, rate: number, seconds: number) =>
      floodHandshakes(bed, {
        ...{ from: 2, as: 2, to, publicKey: keys[to]!.publicKey, rate, seconds },
      });
    await t.step("it asks the node for a cookie, and gets one", async () => {
      Deno.kill(node.pid, "SIGKILL");
      await node.status;
      const flooding = flood(1, 10_000, 6);
      await first.log.heard("Sending cookie response");
      const from = first.log.text.length;
      // The node that starts anew has neither a session nor a cookie.
      again = await start();
      await bed.reachable(0, 1, 6_000);
      assertStringIncludes(first.log.text.slice(from), "Received handshake initiation");
      assert((await flooding).cookies > 0);
    });
    await t.step("the node asks it for a cookie, and gets one", async () => {
      first.child.kill("SIGTERM");
      await first.child.status;
      // Not more than the lane hands on, so that the first try comes as far as to be asked.
      const flooding = flood(0, 900, 12);
      await until("the node asks strangers for cookies", TOLD_MS, async () => {
        const { inbound } = await bed.counters(again);
        return inbound.handshake_flood! > 100;
      });
      const { log } = await startWireGuard(bed, keys[0]!.publicKey);
      await bed.reachable(1, 0, 12_000);
      assertStringIncludes(log.text, "Receiving cookie response");
      assert((await flooding).cookies > 0);
    });
  },
});
