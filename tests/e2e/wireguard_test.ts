/** A real wireguard-go as a peer of a node: pods behind both, without and with a preshared key. */

import { assert, assertEquals } from "../assert.ts";
import { missing } from "../peers/wireguard_go.ts";
import { KEY_BYTES } from "../../src/wire/keys.ts";
import { Bed, until } from "./harness.ts";
import { giveKeys, keyedArgs, keyFile } from "./keyed.ts";

const why = missing();
if (why !== undefined) console.log(`SKIPPED tests/e2e/wireguard_test.ts: ${why}`);

const BYTES = 10_000_000;
const DEVICE = "wg0";
const MTU = "1420";

/** Starts wireguard-go on node 1, whose pods reach those of node 0 by it. */
async function startWireGuard(
  bed: Bed,
  publicKey: string,
  psk?: string,
): Promise<Deno.ChildProcess> {
  const { namespace } = bed.node(1);
  const run = async (...words: string[]) => {
    const { code, stderr } = await bed.onNode(1, ...words);
    assertEquals(code, 0, `${words.join(" ")}: ${stderr}`);
  };
  const child = bed.spawn(namespace, ["wireguard-go", "-f", DEVICE]);
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
  return child;
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
      const node = await bed.start(0, keyedArgs(bed, 0, "--rekey-after", "5s"));
      let child = await startWireGuard(bed, keys[0]!.publicKey, psk);
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
        const dump = (await bed.onNode(1, "wg", "show", DEVICE, "dump")).stdout.split("\n")[1]!;
        const [, , endpoint, , handshake_s, received] = dump.split("\t");
        assertEquals(endpoint, `${bed.node(0).address}:3009`);
        assert(Number(handshake_s) > 0 && Number(received) > BYTES, dump);
        const { inbound } = await bed.counters(node);
        assertEquals([inbound.bad_tag, inbound.replayed, inbound.unencrypted], [0, 0, 0]);
      });
      await t.step("it is started again, and begins", async () => {
        child.kill("SIGTERM");
        await child.status;
        child = await startWireGuard(bed, keys[0]!.publicKey, psk);
        await bed.reachable(1, 0, 5_000);
        await bed.ping(0, 1);
      });
    },
  });
}
