/** Networks as people have them: routers, tiny subnets, hosts without IPv6, addresses that come and go. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { KERNEL_PATH } from "../kernel_path/possible.ts";
import type { LabProcess } from "../../src/tools/lab/process.ts";
import { Bed, until } from "./harness.ts";
import { ip } from "./ip.ts";

const words = (text: string) => text.split(" ");

/** How long what a health check finds may take to be told. */
const TOLD_MS = 10_000;

const has = ({ log }: LabProcess, event: string) => log.includes(`"event":"${event}"`);

/** Writes another config for the bed's nodes. */
function configure(bed: Bed, networks: string, addresses: string[], subnets: string[]): void {
  const nodes = addresses.map((address, i) =>
    `  - {name: node-${"ab"[i]}, address: "${address}", subnets: [${subnets[i]}]}\n`
  );
  Deno.writeTextFileSync(
    `${bed.dir}/tunnet.yaml`,
    `network: [${networks}]\nnodes:\n${nodes.join("")}`,
  );
}

/** Puts a router with addresses .1 and .2 between the nodes, which have no other way to each other. */
async function route(bed: Bed, version: 4 | 6): Promise<readonly [first: string, second: string]> {
  const [base, six, length] = version === 4
    ? ["192.168.0.", "-4", 24]
    : ["fd00:192:168::", "-6", 64];
  const gateways = [`${base}1`, `${base}2`] as const;
  const router = bed.plan.switchNamespace;
  for (const gateway of gateways) {
    const nodad = version === 6 ? ["nodad"] : [];
    await ip(["-n", router, ...words(`addr add ${gateway}/${length} dev switch`), ...nodad]);
  }
  const settings = words(
    "net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 " +
      "net.ipv4.conf.switch.send_redirects=0 net.ipv6.conf.all.forwarding=1",
  );
  await ip(["netns", "exec", router, "sysctl", "-qw", ...settings]);
  for (const [i, { namespace }] of bed.plan.nodes.entries()) {
    const other = bed.node(1 - i).address;
    await ip([six, "-n", namespace, ...words(`route del ${other} dev eth0`)]);
    for (const gateway of gateways) {
      await ip([six, "-n", namespace, ...words(`route add ${gateway} dev eth0`)]);
    }
    await ip([six, "-n", namespace, ...words(`route add default via ${gateways[0]} dev eth0`)]);
  }
  return gateways;
}

/** From source, a node starts no shell that clears up after it. */
const LEAVES_ROOT = Deno.env.get("TUNNET_EXE") !== undefined;

const ENGINES = KERNEL_PATH ? ["auto", "auto,-kernel"] : ["auto,-kernel"];

for (const version of [4, 6] as const) {
  for (const engine of ENGINES) {
    Deno.test(`a network over nodes behind a router, IPv${version}, engine ${engine}`, async () => {
      await using bed = await Bed.create({ ipv6: true, underlay6: version === 6 });
      const [first, second] = await route(bed, version);
      configure(
        bed,
        '128.0.0.0/1, "fd00::/16"',
        bed.plan.nodes.map(({ address }) => address),
        ['172.1.0.0/16, "fd00:172:1::/64"', '172.2.0.0/16, "fd00:172:2::/64"'],
      );
      const before = await bed.state(0);
      const args = ["-c", `${bed.dir}/tunnet.yaml`, "--engine", engine];
      const [a] = await Promise.all([bed.start(0, args), bed.start(1, args)]);
      const { namespace } = bed.node(0);
      const other = bed.node(1).address;
      const wayTo = (address: string) => ip(["-n", namespace, "route", "get", address]);
      assertStringIncludes(await wayTo(other), `via ${first} dev eth0`);
      assertEquals(a.log.split('"event":"peer_routes"').length, 2, a.log);
      assertStringIncludes(a.log, `${other} by ${first} on eth0`);
      await bed.reachable(0, 1, TOLD_MS);
      await bed.ping(0, 1);
      await bed.ping(0, 1, bed.podAddress(1, 6));
      const six = version === 4 ? "-4" : "-6";
      await ip([six, "-n", namespace, ...words(`route replace default via ${second} dev eth0`)]);
      await until(
        "the host route follows",
        TOLD_MS,
        async () => (await wayTo(other)).includes(`via ${second} dev eth0`),
      );
      await bed.ping(0, 1);
      await ip([six, "-n", namespace, ...words(`route del default via ${second} dev eth0`)]);
      await until(
        "that no way is left is told",
        TOLD_MS,
        () => a.log.includes(`leads to ${other}: nothing is sent there`),
      );
      await ip([six, "-n", namespace, ...words(`route add default via ${first} dev eth0`)]);
      await until(
        "the host route is back",
        TOLD_MS,
        async () =>
          (await bed.onNode(0, "ip", "route", "get", other)).stdout.includes(
            `via ${first} dev eth0`,
          ),
      );
      await bed.reachable(0, 1, TOLD_MS);
      Deno.kill(a.pid, "SIGTERM");
      assertEquals((await a.status).code, 0);
      assertEquals(await bed.state(0), before);
      if (engine !== ENGINES[0]) return;
      const killed = await bed.start(0, args);
      Deno.kill(killed.pid, "SIGKILL");
      await killed.status;
      if (LEAVES_ROOT) {
        await until("its shell has cleared up", 5_000, async () => await bed.state(0) === before);
      }
      // The next one clears up as well, also by another config.
      Deno.writeTextFileSync(`${bed.dir}/tunnet.yaml`, bed.yaml);
      await (await bed.start(0, args)).stop();
      assertEquals(await bed.state(0), before);
    });
  }
}

for (const engine of ENGINES) {
  Deno.test(`subnets of one and two addresses are their pods' own, engine ${engine}`, async () => {
    await using bed = await Bed.create({ ipv6: true });
    configure(bed, '172.0.0.0/8, "fd00:172::/32"', ["192.168.0.8", "192.168.0.7"], [
      '172.1.0.2/32, "fd00:172:1::2/128"',
      '172.2.0.2/31, "fd00:172:2::2/127"',
    ]);
    const args = ["-c", `${bed.dir}/tunnet.yaml`, "--engine", engine];
    const [a] = await Promise.all([bed.start(0, args), bed.start(1, args)]);
    const shown = async () =>
      (await bed.onNode(0, ..."ip -o addr show tunnet0 scope global".split(" "))).stdout;
    assertEquals(await shown(), "");
    assertMatch(a.log, /takes no address from 172\.1\.0\.2\/32, fd00:172:1::2\/128/);
    await bed.reachable(0, 1, TOLD_MS);
    await bed.ping(0, 1);
    await bed.ping(1, 0, bed.podAddress(0, 6));
    // What the node sends itself: with an address of its subnet, wherever that is.
    await bed.onNode(0, ..."ip addr add 172.1.0.2/32 dev lo".split(" "));
    const found = await bed.onNode(0, "ip", "route", "get", "172.2.0.2");
    assertStringIncludes(found.stdout, "dev tunnet0");
    // A route that is made anew names the source.
    await bed.onNode(0, ..."ip route del 172.0.0.0/8 dev tunnet0".split(" "));
    await until("the route is put back", TOLD_MS, () => a.log.includes("route 172.0.0.0/8"));
    const again = await bed.onNode(0, "ip", "route", "get", "172.2.0.2");
    assertStringIncludes(again.stdout, "src 172.1.0.2");
    // The kernel takes the route away with that address.
    await bed.onNode(0, ..."ip addr del 172.1.0.2/32 dev lo".split(" "));
    await bed.reachable(0, 1, TOLD_MS);
  });
}

for (const shape of [{}, { underlay6: true }] as const) {
  const name = Object.entries(shape).join() || "tun";
  Deno.test(`a tunnel over the device that takes a peer's address, ${name}`, async () => {
    await using bed = await Bed.create(shape);
    const [a] = await Promise.all([bed.start(0), bed.start(1)]);
    const { namespace } = bed.node(0);
    await bed.reachable(0, 1, TOLD_MS);
    // Below 1,280 bytes IPv6 is switched off, and the way is gone: a larger one shows it.
    const jumbo = "underlay6" in shape;
    if (jumbo) await ip(["-n", namespace, ...words("link set eth0 mtu 3000")]);
    const mtuOf = async (device: string) =>
      Number(/ mtu (\d+)/.exec(await ip(["-n", namespace, "link", "show", device]))![1]);
    if (jumbo) await until("it follows", TOLD_MS, async () => await mtuOf("tunnet0") === 2952);
    const mtu = await mtuOf("tunnet0");
    // What such a tunnel does: a TUN device of which nobody reads, with an MTU that follows.
    await ip(["-n", namespace, ...words("tuntap add over0 mode tun")]);
    await ip(["-n", namespace, ...words(`link set over0 up mtu ${mtu - 28}`)]);
    const address = bed.node(1).address;
    const six = address.includes(":") ? "-6" : "-4";
    const told = () => a.log.includes('"event":"path_loop"');
    await ip([six, "-n", namespace, ...words(`route replace ${address} dev over0`)]);
    await until(() => `the loop is told: ${a.log}`, TOLD_MS, async () => {
      const follows = await mtuOf("tunnet0") - 28;
      if (follows !== await mtuOf("over0")) {
        await ip(["-n", namespace, ...words(`link set over0 mtu ${follows}`)]);
      }
      return told();
    });
    assertStringIncludes(
      a.log,
      "the way to node-b by over0 leads into a tunnel over tunnet0 itself",
    );
    const kept = jumbo ? 1452 : mtu;
    await until("the MTU is kept", TOLD_MS, async () => await mtuOf("tunnet0") === kept);
    const status = await bed.onNode(0, ...bed.command, "status");
    assertStringIncludes(status.stdout, "leads into a tunnel over tunnet0 itself");
    await ip([six, "-n", namespace, ...words(`route replace ${address} dev eth0`)]);
    await until(
      "it is over",
      TOLD_MS,
      () => a.log.includes("no way to a peer leads into a tunnel"),
    );
    await bed.reachable(0, 1, TOLD_MS);
    await until("the MTU is as before", TOLD_MS, async () => await mtuOf("tunnet0") === mtu);
    assertEquals(a.log.split('"event":"path_loop"').length, 3, a.log);
  });
}

Deno.test("a node with IPv4 pods only runs where IPv6 is switched off", async () => {
  await using bed = await Bed.create({ ipv6: true });
  const off = async (value: number) => {
    const settings = ["all", "default"].map((name) =>
      `net.ipv6.conf.${name}.disable_ipv6=${value}`
    );
    await bed.onNode(0, "sysctl", "-qw", ...settings);
  };
  await off(1);
  const addresses = ["192.168.0.8", "192.168.0.7"];
  const b = '172.2.0.0/16, "fd00:172:2::/64"';
  const networks = '172.0.0.0/8, "fd00:172::/32"';
  configure(bed, networks, addresses, ['172.1.0.0/16, "fd00:172:1::/64"', b]);
  const refused = bed.launch(0);
  assertEquals((await refused.status).code, 1);
  assertMatch(refused.log, /IPv6 is switched off: net\.ipv6\.conf\.all\.disable_ipv6 is 1/);

  configure(bed, networks, addresses, ["172.1.0.0/16", b]);
  const [a] = await Promise.all([bed.start(0), bed.start(1)]);
  assertMatch(a.log, /IPv6 pods are left out: net\.ipv6\.conf\.all\.disable_ipv6 is 1/);
  await bed.reachable(0, 1, TOLD_MS);
  const doctor = await bed.onNode(
    0,
    ...[...bed.command, "doctor", "-c", `${bed.dir}/tunnet.yaml`, "--node", "node-a"],
  );
  assertMatch(doctor.stdout, /warn IPv6 on the interfaces: disable_ipv6 is 1/);
  // Own IPv6 pods cannot be had by a reload either, and what was there goes on.
  configure(bed, networks, addresses, ['172.1.0.0/16, "fd00:172:1::/64"', b]);
  Deno.kill(a.pid, "SIGHUP");
  await until("the reload is refused", TOLD_MS, () => has(a, "reload_failed"));
  assertEquals(a.log.split('"event":"ipv6"').length, 2, a.log);
  await bed.ping(0, 1);
  await off(0);
  const route6 = async () =>
    (await bed.onNode(0, ..."ip -6 route show dev tunnet0".split(" "))).stdout;
  await until("IPv6 is taken up", TOLD_MS, async () => (await route6()).includes("fd00:172::/32"));
  await off(1);
  await until("IPv6 is left out again", TOLD_MS, () => a.log.split("left out").length === 3);
  assert(!has(a, "health"), a.log);
  await bed.ping(0, 1);
});

Deno.test("an IPv6 address that is still tentative is waited for", async () => {
  await using bed = await Bed.create({ underlay6: true });
  const { address } = bed.node(0);
  const other = bed.node(1).address;
  await bed.onNode(0, "sysctl", "-qw", "net.ipv6.conf.eth0.dad_transmits=5");
  await bed.onNode(0, "ip", "addr", "del", `${address}/128`, "dev", "eth0");
  await bed.onNode(0, "ip", "addr", "add", `${address}/128`, "dev", "eth0");
  const starting = bed.launch(0);
  await starting.ready();
  assertStringIncludes(starting.log, `waiting for ${address}, which is still tentative`);
  await bed.onNode(0, "ip", "-6", "route", "replace", other, "dev", "eth0", "src", address);
  await bed.start(1);
  await bed.reachable(0, 1, TOLD_MS);
});

for (const underlay6 of [false, true]) {
  const what = `IPv${underlay6 ? 6 : 4}`;
  Deno.test(`this node's own ${what} address, taken away and given back, is told`, async () => {
    await using bed = await Bed.create({ underlay6 });
    const a = await bed.start(0);
    const { address } = bed.node(0);
    const text = `${address}/${underlay6 ? 128 : 32}`;
    const problems = async (): Promise<readonly string[]> => {
      const { stdout } = await bed.onNode(0, ...bed.command, "status", "--json");
      return JSON.parse(stdout).node.problems;
    };
    assertEquals(await problems(), []);
    await ip(["-n", bed.node(0).namespace, "addr", "del", text, "dev", "eth0"]);
    await until("it is told", TOLD_MS, () => has(a, "address_gone"));
    // An answer may be half a second old.
    const named = async () => (await problems()).join().includes(`no interface has ${address}`);
    await until("the status names it", 2_000, named);
    await ip(["-n", bed.node(0).namespace, "addr", "add", text, "dev", "eth0"]);
    await until("its return is told", TOLD_MS, () => has(a, "address_back"));
    await until("the status has forgotten it", 2_000, async () => (await problems()).length === 0);
  });
}

const WRONG_DEVICES = [
  ["a plain file", "touch", /cannot open \/dev\/net\/tun \(it is a file/],
  ["a folder", "mkdir", /cannot open \/dev\/net\/tun \(it is a folder/],
] as const;

for (const [name, make, expected] of WRONG_DEVICES) {
  Deno.test(`/dev/net/tun that is ${name} is named`, async () => {
    await using bed = await Bed.create();
    const script = `mount -t tmpfs none /dev/net && ${make} /dev/net/tun && exec "$@"`;
    const wrap = ["unshare", "--mount", "sh", "-c", script, "sh"];
    const started = bed.launch(0, undefined, wrap);
    assertEquals((await started.status).code, 1);
    assertMatch(started.log, expected);
  });
}
