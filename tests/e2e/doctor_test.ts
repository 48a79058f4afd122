/** Set-ups broken on purpose: the doctor finds each, names what fixes it, and that does. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { runProgram } from "../../src/base/run_program.ts";
import {
  ask,
  breakAndFix,
  type Broken,
  type Check,
  fails,
  idsOf,
  type Report,
  shell,
  wrong,
} from "./doctor.ts";
import { Bed, until } from "./harness.ts";

const BRIDGE9 = "ip link add br9 type bridge && ip link set br9 up";

/** Where both tunnets run, with IPv4 and IPv6 pods. */
const RUNNING: readonly Broken[] = [
  {
    name: "ip_forward is off",
    by: "sysctl -qw net.ipv4.ip_forward=0",
    ids: ["ip_forward"],
    fix: /^sysctl -w net\.ipv4\.ip_forward=1$/,
  },
  {
    name: "forwarding of IPv6 is off",
    by: "sysctl -qw net.ipv6.conf.all.forwarding=0",
    ids: ["ip6_forward"],
    fix: /^sysctl -w net\.ipv6\.conf\.all\.forwarding=1$/,
  },
  {
    name: "forwarding is off on the bridge alone",
    by: "sysctl -qw net.ipv4.conf.br0.forwarding=0",
    ids: ["ip_forward"],
    fix: /^sysctl -w net\.ipv4\.conf\.br0\.forwarding=1$/,
  },
  {
    name: "a strict reverse path filter, with a default node",
    by: "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.tunnet0.rp_filter=1",
    yaml: (text) => text + "default: node-b\n",
    ids: ["rp_filter"],
    fix: /^sysctl -w net\.ipv4\.conf\.tunnet0\.rp_filter=2$/,
  },
  {
    name: "FORWARD's policy is DROP (iptables on nftables)",
    by: "iptables -P FORWARD DROP",
    ids: ["forward"],
    fix: /^iptables -I FORWARD -i \S+ -o \S+ -j ACCEPT$/,
    after: "iptables -F; iptables -P FORWARD ACCEPT",
  },
  {
    name: "FORWARD's policy is DROP (legacy iptables)",
    by: "iptables-legacy -P FORWARD DROP",
    ids: ["forward"],
    fix: /^iptables-legacy -I FORWARD -i \S+ -o \S+ -j ACCEPT$/,
    after: "iptables-legacy -F; iptables-legacy -P FORWARD ACCEPT",
  },
  {
    name: "IPv6 is rejected by a chain of the user's own",
    by:
      "ip6tables -N guard && ip6tables -A guard ! -i lo -j REJECT && ip6tables -A FORWARD -j guard",
    ids: ["forward6"],
    fix: /^ip6tables -I FORWARD -i \S+ -o \S+ -j ACCEPT$/,
    after: "ip6tables -F; ip6tables -X guard",
  },
  {
    name: "Docker's firewall: DOCKER-USER before chains that know no tunnel",
    by:
      "iptables -P FORWARD DROP && iptables -N DOCKER-USER && iptables -A FORWARD -j DOCKER-USER " +
      "&& iptables -A FORWARD -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT " +
      "&& iptables -A FORWARD -i br0 ! -o br0 -j ACCEPT",
    ids: ["forward"],
    fix: /^iptables -I DOCKER-USER -i tunnet0 -o br0 -j ACCEPT$/,
    after: "iptables -F; iptables -X; iptables -P FORWARD ACCEPT",
  },
  {
    name: "an nftables ruleset that forwards what it knows",
    by: "nft add table inet host && nft 'add chain inet host pass { type filter hook forward " +
      "priority 10; policy drop; }' && nft add rule inet host pass ct state established accept",
    ids: ["forward", "forward6"],
    fix: /^nft insert rule inet host pass iifname \S+ oifname \S+ accept$/,
    after: "nft delete table inet host",
  },
  {
    name: "the tutorial's trap: Docker masquerades the pods",
    by: "iptables -t nat -A POSTROUTING -s 172.1.0.0/16 ! -o br0 -j MASQUERADE",
    ids: ["nat"],
    fix: /^iptables -t nat -I POSTROUTING -o tunnet0 -j ACCEPT$/,
    after: "iptables -t nat -F",
  },
  {
    name: "nftables masquerades all that leaves, pods' answers included",
    by: "nft add table ip mine && nft 'add chain ip mine post { type nat hook postrouting " +
      "priority 100; }' && nft add rule ip mine post oifname '{' tunnet0, br0 '}' masquerade",
    ids: ["nat"],
    fix:
      /^nft insert rule ip mine post (oifname tunnet0|ip saddr 172\.0\.0\.0\/8 oifname br0) accept$/,
    after: "nft delete table ip mine",
  },
  {
    name: "the host's own firewall drops the UDP port",
    by: "iptables -A INPUT -i eth0 -p udp -m multiport --dports 53,3009 -j DROP",
    ids: ["firewall_udp"],
    fix: /^iptables -I INPUT -p udp --dport 3009 -j ACCEPT$/,
    after: "iptables -F",
  },
  {
    name: "nftables accepts what it knows",
    by: "nft add table inet host && nft 'add chain inet host in { type filter hook input " +
      "priority 0; policy drop; }' && nft add rule inet host in tcp dport 22 accept",
    ids: ["firewall_udp"],
    fix: /^nft insert rule inet host in udp dport 3009 accept$/,
    after: "nft delete table inet host",
  },
  {
    name: "a container has published the UDP port",
    by: "iptables -t nat -A PREROUTING -p udp --dport 3009 -j DNAT --to-destination 172.1.0.2:3009",
    ids: ["port_nat"],
    fix: /^iptables -t nat -I PREROUTING -p udp --dport 3009 -j ACCEPT$/,
    after: "iptables -t nat -F",
  },
  {
    name: "another route steals a part of a pod subnet",
    by: `${BRIDGE9} && ip route add 172.2.128.0/17 dev br9`,
    ids: ["routes"],
    fix: /^ip route del 172\.2\.128\.0\/17 dev br9$/,
    after: "ip link del br9",
  },
  {
    name: "another interface is in a pod subnet",
    by: `${BRIDGE9} && ip addr add 172.2.9.1/24 dev br9`,
    ids: ["routes"],
    fix: /^ip address del 172\.2\.9\.1\/24 dev br9$/,
    after: "ip link del br9",
  },
  {
    name: "a blackhole",
    by: "ip route add blackhole 172.2.7.0/24",
    ids: ["routes"],
    fix: /^ip route del blackhole 172\.2\.7\.0\/24$/,
  },
  {
    name: "a rule sends a pod subnet to another table",
    by: `${BRIDGE9} && ip route add 172.2.0.0/16 dev br9 table 99 && ` +
      "ip rule add pref 50 to 172.2.0.0/16 lookup 99",
    ids: ["routes"],
    fix: /^ip rule add pref 1 to 172\.2\.0\.0\/16 lookup main$/,
    after: "ip rule del pref 1; ip rule del pref 50; ip link del br9",
  },
  {
    name: "the device's MTU is more than the way carries",
    by: "ip link set dev tunnet0 mtu 1500",
    ids: ["mtu"],
    fix: /^ip link set dev tunnet0 mtu 1472$/,
  },
  {
    name: "the device is down",
    by: "ip link set dev tunnet0 down",
    ids: ["device"],
    fix: /^ip link set dev tunnet0 up$/,
  },
];

/** Where tunnet runs on node b only: what would stop it here, and asking by hello. */
const STOPPED: readonly Broken[] = [
  {
    name: "a bridge has the device's name",
    by: "ip link add tunnet0 type bridge",
    ids: ["device"],
    fix: /^ip link del dev tunnet0$/,
  },
  {
    name: "the bridge is down",
    by: "ip link set dev br0 down",
    ids: ["local_subnet"],
    fix: /^ip link set dev br0 up$/,
  },
  {
    name: "no interface has the node's subnet",
    by: "ip addr flush dev br0",
    ids: ["local_subnet"],
    fix: /^tunnet setup --netns -c \S+ --node node-a \| sh$/,
    after: "ip link del tunnet-br; ip addr add 172.1.0.1/16 dev br0",
  },
  {
    name: "the config's MTU is more than the way carries",
    by: "true",
    yaml: (text) => "mtu: 1600\n" + text,
    ids: ["mtu"],
    fix: /^sed -i '\/\^mtu:\/d' \S+ && echo 'mtu: 1472' >>\S+$/,
  },
  {
    name: "large datagrams vanish on the way",
    by: "true",
    byThere: "iptables -A INPUT -p udp -m length --length 1401:65535 -j DROP",
    afterThere: "iptables -F",
    ids: ["path_mtu"],
    fix: /^sed -i '\/\^mtu:\/d' \S+ && echo 'mtu: 1372' >>\S+$/,
  },
];

Deno.test("doctor: set-ups broken under a running node", async (t) => {
  await using bed = await Bed.create({ ipv6: true });
  await bed.start(0);
  await bed.start(1);
  for (const i of [0, 1]) {
    await t.step(`nothing is found on healthy node ${i}`, async () => {
      // The first hellos may still be on their way.
      await until("the peers are up", 15_000, async () => wrong(await ask(bed, i)).length === 0);
      assertEquals((await ask(bed, i)).checks.filter(({ status }) => status !== "ok"), []);
    });
  }
  for (const broken of RUNNING) {
    await t.step(broken.name, () => breakAndFix(bed, broken));
  }
  await t.step("in the end pods reach each other", async () => {
    await bed.ping(0, 1);
    await bed.ping(0, 1, bed.podAddress(1, 6));
  });
});

Deno.test("doctor: set-ups broken before the start", async (t) => {
  await using bed = await Bed.create();
  await bed.start(1);
  await shell(bed, 0, "sysctl -qw net.ipv4.ip_forward=1");
  await t.step("nothing is found on a healthy node, and its peer answers", async () => {
    const report = await ask(bed, 0);
    assertEquals(wrong(report), []);
    assertEquals(report.checks.filter(({ status }) => status === "skip"), []);
  });
  for (const broken of STOPPED) {
    await t.step(broken.name, () => breakAndFix(bed, broken));
  }
  const held = async (words: readonly string[], id: string) => {
    const child = bed.spawn(bed.node(0).namespace, words);
    let found: readonly Check[] = [];
    await until(
      "the doctor sees it",
      15_000,
      async () => (found = fails(await ask(bed, 0))).length > 0,
    );
    assertEquals(idsOf(found), [id]);
    assertEquals(found[0]!.fix, `kill ${child.pid}`);
    assertMatch(found[0]!.why, /socat/);
    await shell(bed, 0, found[0]!.fix!);
    await child.output();
    assertEquals(wrong(await ask(bed, 0)), []);
  };
  await t.step(
    "a second program has the port",
    () => held(["socat", "-u", "UDP4-RECV:3009", "STDOUT"], "port"),
  );
  await t.step(
    "a second program has the device",
    () => held(["socat", "-u", "TUN,tun-name=tunnet0,iff-no-pi", "STDOUT"], "device"),
  );
  await t.step("/dev/net/tun is missing", async () => {
    const command = [...bed.command, "doctor", "-c", `${bed.dir}/tunnet.yaml`, "--node", "node-a"];
    const words = command.map((word) => `'${word}'`).join(" ");
    const { stdout } = await bed.onNode(
      0,
      "unshare",
      "--mount",
      "sh",
      "-c",
      `
      mount -t tmpfs tmpfs /dev/net
      ${words} >${bed.dir}/missing; echo "broken: $?"
      eval "$(sed -n '/^FAIL/{n;s/^ *fix: //p}' ${bed.dir}/missing)"
      ${words} >/dev/null; echo "fixed: $?"`,
    );
    assertEquals(stdout, "broken: 1\nfixed: 0\n");
    assertMatch(
      Deno.readTextFileSync(`${bed.dir}/missing`),
      /FAIL \/dev\/net\/tun: it is not there/,
    );
  });
  await t.step("root without CAP_NET_ADMIN", async () => {
    const drop = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"];
    const words = [...bed.command, "doctor", "-c", `${bed.dir}/tunnet.yaml`, "--json"];
    const { code, stdout, stderr } = await bed.onNode(0, ...drop, ...words);
    assertEquals([code, stderr.replaceAll(/^tunnet: warn: .*\n/gm, "")], [1, ""]);
    const report: Report = JSON.parse(stdout);
    assertEquals(idsOf(fails(report)), ["rights"]);
    assertEquals(fails(report)[0]!.fix, "sudo tunnet doctor");
    assert(report.checks.some(({ id, status }) => id === "firewall" && status === "skip"));
  });
  await t.step("a peer's firewall, found from here and fixed there", async () => {
    await shell(bed, 1, "iptables -A INPUT -p udp --dport 3009 -j DROP");
    const [first] = fails(await ask(bed, 0));
    assertEquals([first?.id, first?.fix_on], ["peer", "node-b"]);
    // That this node does not run is true, and none of the peer's fault.
    const there = fails(await ask(bed, 1)).filter(({ id }) => id !== "peer");
    assertEquals(idsOf(there), ["firewall_udp"]);
    await shell(bed, 1, there[0]!.fix!);
    assertEquals(wrong(await ask(bed, 0)), []);
  });
  await t.step("a peer of another config", async () => {
    Deno.writeTextFileSync(`${bed.dir}/other.yaml`, bed.yaml.replace("node-b", "node-x"));
    const found = fails(await ask(bed, 0, `${bed.dir}/other.yaml`));
    assertEquals(found.map(({ id, why, fix_on }) => [id, why, fix_on]), [
      ["peer_config", "it calls itself node-b: the config files are not the same", "node-x"],
    ]);
  });
});

Deno.test("doctor: a narrow path that says nothing, found by running nodes, also without offloads", async () => {
  await using bed = await Bed.create();
  // All goes by the lanes, and so through this host's firewall.
  const args = ["-c", `${bed.dir}/tunnet.yaml`, "--engine", "batch"];
  await Promise.all([bed.start(0, args), bed.start(1, args)]);
  const { path, sha256 } = await bed.randomFile(2_000_000);
  assertEquals(await bed.transfer(0, 1, path), sha256);
  for (const i of [0, 1]) {
    await shell(bed, i, "ethtool -K eth0 tx off >/dev/null");
    await shell(bed, i, "iptables -A INPUT -p udp -m length --length 1401:65535 -j DROP");
  }
  const started_ms = performance.now();
  assertEquals(await bed.transfer(0, 1, path), sha256);
  const took_ms = performance.now() - started_ms;
  assert(took_ms < 10_000, `${took_ms} ms`);
  let found: readonly Check[] = [];
  await until("the doctor tells", 15_000, async () => {
    found = wrong(await ask(bed, 0));
    return found.some(({ id }) => id === "path_mtu");
  });
  assertEquals(found.map(({ id, status, fix }) => [id, status, fix]), [
    ["path_mtu", "warn", "ip link set dev tunnet0 mtu 1372"],
  ]);
  assertMatch(found[0]!.fix_for_good ?? "", /echo 'mtu: 1372' >>/);
  await shell(bed, 0, found[0]!.fix!);
  assertEquals(wrong(await ask(bed, 0)), []);
  assertEquals(await bed.transfer(0, 1, path), sha256);
});

Deno.test("doctor: it does not run, there is no config; a fix that the kernel refuses is not proposed", async () => {
  await using bed = await Bed.create();
  const running = async () => (await ask(bed, 0)).checks.find(({ id }) => id === "running")!;
  const before = await running();
  assertEquals(before.status, "warn");
  assertEquals(before.fix, `tunnet --peer -c ${bed.dir}/tunnet.yaml --node node-a`);
  // As the fix says, but in the background.
  const words = before.fix!.split(" ").slice(1);
  const node = bed.spawn(bed.node(0).namespace, [...bed.command, ...words]);
  await until("it runs", 15_000, async () => (await running()).status === "ok");
  node.kill("SIGTERM");
  await node.output();
  assertEquals((await running()).status, "warn");

  const empty = await bed.onNode(0, "env", "-C", `${bed.dir}/empty`, ...bed.command, "doctor");
  assertEquals([empty.code, empty.stderr], [0, ""]);
  assertMatch(empty.stdout, /^ok +\/dev\/net\/tun: it can be opened$/m);
  assertMatch(empty.stdout, /^skip tunnet\.yaml: there is none yet/m);

  const owner = bed.spawn(bed.node(0).namespace, ["nft", "-i"], "piped");
  const writer = owner.stdin.getWriter();
  await writer.write(new TextEncoder().encode(
    "add table inet theirs { flags owner; }\nadd chain inet theirs in " +
      "{ type filter hook input priority 0; policy drop; }\n",
  ));
  let found: readonly Check[] = [];
  await until("the table is there", 15_000, async () => {
    found = fails(await ask(bed, 0)).filter(({ id }) => id === "firewall_udp");
    return found.length > 0;
  });
  assertEquals(found[0]!.fix, null);
  assertMatch(found[0]!.why, /only the program that made this table may change it/);
  const refused = "nft insert rule inet theirs in udp dport 3009 accept";
  assert((await bed.onNode(0, "sh", "-c", refused)).code !== 0, "the kernel refuses it");
  await writer.close();
  await owner.output();
  assertEquals(fails(await ask(bed, 0)).filter(({ id }) => id === "firewall_udp"), []);
});

Deno.test("doctor: a peer that does not run is told from one that cannot be reached", async () => {
  await using bed = await Bed.create();
  const why = async () => fails(await ask(bed, 0)).map((check) => check.why).join();
  assertMatch(await why(), /^its host answers, but nothing listens on UDP 192\.168\.0\.7:3009$/);
  await runProgram("ip", ["-n", bed.node(1).namespace, "link", "set", "eth0", "down"]);
  assertMatch(await why(), /192\.168\.0\.7:3009 is out of reach|nothing comes back from UDP/);
});
