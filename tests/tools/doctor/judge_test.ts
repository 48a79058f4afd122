import { parseConfig } from "../../../src/config/parse.ts";
import type { Check } from "../../../src/tools/doctor/check.ts";
import type { Facts, LinkFacts, PeerFacts, Probe } from "../../../src/tools/doctor/facts.ts";
import { parseIptables } from "../../../src/tools/doctor/firewall/iptables.ts";
import { parseNft } from "../../../src/tools/doctor/firewall/nft.ts";
import { judge, judgeHost } from "../../../src/tools/doctor/judge.ts";
import { allWell, reportJson, reportText } from "../../../src/tools/doctor/report.ts";
import type { LinkInfo, RouteInfo } from "../../../src/host/netlink/rtnetlink.ts";
import { formatPrefix, parseAddress, parsePrefix } from "../../../src/net/prefix.ts";
import { assert, assertEquals, assertFalse } from "../../assert.ts";

const loaded = parseConfig(
  `
network: [172.0.0.0/8, "fd00:172::/32"]
nodes:
  - {name: node-a, address: 192.168.0.8, subnets: [172.1.0.0/16, "fd00:172:1::/64"]}
  - {name: node-b, address: 192.168.0.7, subnets: [172.2.0.0/16, "fd00:172:2::/64"]}
`,
  "my config.yaml",
);
const { config } = loaded;

function link(
  index: number,
  name: string,
  kind: string | undefined,
  mtu_bytes: number,
  ...texts: string[]
): LinkFacts {
  const info: LinkInfo = { index, name, kind, mtu_bytes, up: true, master: 0, ethernet: true };
  const addresses = texts.map((text) => {
    const [address, length] = text.split("/");
    return { index, address: parseAddress(address!)!, length_bits: Number(length) };
  });
  return { ...info, addresses };
}

function route(text: string, index: number, change: Partial<RouteInfo> = {}): RouteInfo {
  const { prefix } = parsePrefix(text)!;
  return { prefix, index, metric: 0, kind: "unicast", source: undefined, protocol: 4, ...change };
}

const LO = link(1, "lo", undefined, 65_536, "127.0.0.1/8", "::1/128");
const ETH0 = link(2, "eth0", undefined, 1500, "192.168.0.8/24");
const BR0 = link(3, "br0", "bridge", 1500, "172.1.0.1/16", "fd00:172:1::1/64");
const TUNNET0 = link(4, "tunnet0", "tun", 1472, "172.1.0.0/32", "fd00:172:1::/128");
const KERNEL = { protocol: 2 };
const ROUTES = [
  route("192.168.0.0/24", 2, KERNEL),
  route("172.1.0.0/16", 3, KERNEL),
  route("fd00:172:1::/64", 3, KERNEL),
];
const TUNNEL_ROUTES = [route("172.0.0.0/8", 4), route("fd00:172::/32", 4)];

const HELLO = {
  version: 1,
  mode: "tun" as const,
  capabilities: 1,
  sent_us: 1,
  echo_us: 1,
  held_us: 0,
  mtu_bytes: 1472,
  name: "node-b",
  number: 1,
  answer: false,
  leaving: false,
  probe: false,
  program: "1.0.0",
  token: 1n,
  echoToken: 2n,
  burst: 0,
  peerBurst: 0,
  largest_bytes: 0,
};
const ANSWERED: Probe = {
  kind: "answered",
  hello: HELLO,
  wanted_bytes: 1472,
  largest_bytes: 1472,
  told: false,
};

function peer(probe: Probe, change: Partial<PeerFacts> = {}): PeerFacts {
  return {
    node: config.nodes[1]!,
    address: parseAddress("192.168.0.7"),
    path: { index: 2 },
    probe,
    ...change,
  };
}

/** A healthy node before its start. */
const STOPPED: Facts = {
  config,
  source: loaded.source,
  self: config.nodes[0]!,
  selfAddresses: [parseAddress("192.168.0.8")!],
  peers: [peer(ANSWERED)],
  netAdmin: true,
  tunDevice: "ok",
  sysctls: new Map([
    ["net/ipv4/ip_forward", "1"],
    ["net/ipv6/conf/all/forwarding", "1"],
    ["net/ipv4/conf/br0/forwarding", "1"],
    ["net/ipv4/conf/all/rp_filter", "0"],
  ]),
  links: [LO, ETH0, BR0],
  routes: ROUTES,
  paths: new Map(),
  portHolders: [],
  deviceHolders: [],
  firewall: { chains: [], tools: ["iptables", "nft"], unread: [] },
  service: { unit: "none", prepare: false },
  keyFiles: [],
  clock_ms: Date.UTC(2030, 0, 1),
};

const KEY = new Uint8Array(32).fill(7);
const KEYS = { publicKey: KEY, wireguard: false, keepalive_ms: 0 };
const KEY_FILE = "/etc/tunnet/private.key";

const TUNNET = { pid: 9, name: "tunnet" };
/** The same, running. */
const RUNNING: Facts = {
  ...STOPPED,
  peers: [peer({ kind: "told", state: "up", why: "", problems: [] })],
  links: [...STOPPED.links, TUNNET0],
  routes: [...ROUTES, ...TUNNEL_ROUTES],
  paths: new Map(
    config.nodes[1]!.subnets.map((subnet) => [formatPrefix(subnet), { index: 4 }] as const),
  ),
  portHolders: [TUNNET],
  deviceHolders: [TUNNET],
};

/** Subnets of two addresses: both are their pods'. */
const PAIRS = ["172.1.0.2/31", "fd00:172:1::2/127"].map((text) => parsePrefix(text)!.prefix);

const ipv4Only = { ...config.nodes[0]!, subnets: config.nodes[0]!.subnets.slice(0, 1) };
/** The same with IPv4 pods only, on a host without IPv6; the other node has IPv6 pods. */
const WITHOUT_IPV6: Facts = {
  ...RUNNING,
  config: { ...config, nodes: [ipv4Only, config.nodes[1]!] },
  self: ipv4Only,
  routes: RUNNING.routes.filter(({ prefix }) => prefix.version === 4),
  paths: new Map([...RUNNING.paths].filter(([subnet]) => !subnet.includes(":"))),
};

function sysctl(facts: Facts, name: string, value: string): Facts {
  return { ...facts, sysctls: new Map([...facts.sysctls, [name, value]]) };
}

function rules(facts: Facts, text: string): Facts {
  const chains = parseIptables(`${text}\nCOMMIT\n`, 4, "iptables");
  return { ...facts, firewall: { chains, tools: ["iptables", "nft"], unread: [] } };
}

function withPeer(probe: Probe, change: Partial<PeerFacts> = {}): Facts {
  return { ...STOPPED, peers: [peer(probe, change)] };
}

/** id, status, fix (and where, if elsewhere) of what is not well. */
function wrong(checks: readonly Check[]): string[] {
  // Whether it runs is told apart below.
  const told = checks.filter(({ id, status }) => status !== "ok" && id !== "running");
  return told.map(({ id, status, fix, fixOn }) =>
    [id, status, fixOn && `on ${fixOn}`, fix].filter((part) => part !== undefined).join(": ")
  );
}

Deno.test("doctor: nothing is wrong with a healthy node, running or not", () => {
  assertEquals(wrong(judge(STOPPED)), []);
  assertEquals(wrong(judge(RUNNING)), []);
});

Deno.test("doctor: whether it runs, and will after a reboot", () => {
  const running = (facts: Facts) =>
    judge(facts).filter(({ id }) => id === "running" || id === "prepare")
      .map(({ id, status, fix, lasting }) => [id, status, fix, lasting]);
  const withUnit = (
    facts: Facts,
    unit: "none" | "disabled" | "enabled",
    prepare = false,
  ): Facts => ({
    ...facts,
    service: { unit, prepare },
  });
  const words = `-c ${file} --node node-a`;
  assertEquals(running(STOPPED), [
    ["running", "warn", `tunnet --peer ${words}`, `tunnet setup --systemd ${words} | sh`],
  ]);
  const none = [undefined, undefined];
  assertEquals(running(RUNNING), [["running", "ok", ...none]]);
  assertEquals(running(withUnit(STOPPED, "disabled")), [
    ["running", "fail", "systemctl enable --now tunnet", undefined],
  ]);
  assertEquals(running(withUnit(RUNNING, "disabled")), [
    ["running", "warn", "systemctl enable tunnet", undefined],
  ]);
  assertEquals(running(withUnit(STOPPED, "enabled")), [
    ["running", "fail", "systemctl restart tunnet", undefined],
    ["prepare", "ok", ...none],
  ]);
  const made: Facts = {
    ...RUNNING,
    links: [...RUNNING.links, link(8, "tunnet-br", "bridge", 1500)],
  };
  assertEquals(running(withUnit(made, "enabled", true))[1], ["prepare", "ok", ...none]);
  assertEquals(running(withUnit(made, "enabled"))[1]!.slice(0, 2), ["prepare", "warn"]);
  const text = reportText(STOPPED.self, judge(STOPPED), false);
  assert(text.endsWith("node-a: nothing is in its way, but it does not run, 1 to look at\n"), text);
});

Deno.test("doctor: without a config, the host alone", () => {
  const checks = judgeHost({ netAdmin: true, tunDevice: "ENODEV" });
  assertEquals(checks.map(({ id, status }) => [id, status]), [
    ["rights", "ok"],
    ["tun_driver", "fail"],
    ["config", "skip"],
  ]);
});

Deno.test("doctor: what makes a fix last, by whoever keeps the rules", () => {
  const closed = rules(STOPPED, "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]");
  const keptBy = (manager: "ufw" | "firewalld" | undefined): Facts => ({
    ...closed,
    firewall: { ...closed.firewall, manager },
  });
  const lasting = (facts: Facts, id: string) =>
    judge(facts).find((check) => check.id === id && check.status === "fail")?.lasting;
  const prepare = "/etc/tunnet/prepare.sh";
  assertEquals(
    lasting(keptBy(undefined), "firewall_udp"),
    "mkdir -p /etc/tunnet && echo 'iptables -C INPUT -p udp --dport 3009 -j ACCEPT 2>/dev/null || " +
      `iptables -I INPUT -p udp --dport 3009 -j ACCEPT' >>${prepare}`,
  );
  assertEquals(lasting(keptBy("ufw"), "firewall_udp"), "ufw allow 3009/udp");
  assertEquals(lasting(keptBy("ufw"), "forward"), "ufw route allow in on tunnet0 out on br0");
  assertEquals(
    lasting(keptBy("firewalld"), "firewall_udp"),
    "firewall-cmd --permanent --add-port=3009/udp && firewall-cmd --reload",
  );
  assertEquals(
    lasting(keptBy("firewalld"), "forward"),
    "firewall-cmd --permanent --direct --add-rule ipv4 filter FORWARD 0 -i tunnet0 -o br0 " +
      "-j ACCEPT && firewall-cmd --reload",
  );
  assertEquals(
    lasting(sysctl(RUNNING, "net/ipv4/ip_forward", "0"), "ip_forward"),
    "echo 'net.ipv4.ip_forward = 1' >>/etc/sysctl.d/61-tunnet.conf",
  );
});

Deno.test("doctor: a table with an owner is left to its owner", () => {
  const ruleset = (flags: unknown) =>
    JSON.stringify({
      nftables: [
        { table: { family: "inet", name: "firewalld", flags } },
        {
          chain: {
            ...{ family: "inet", table: "firewalld", name: "in", type: "filter", hook: "input" },
            ...{ prio: 0, policy: "drop" },
          },
        },
      ],
    });
  const found = (flags: unknown, manager: "firewalld" | undefined) => {
    const chains = parseNft(ruleset(flags), new Set())!;
    const firewall = { chains, tools: ["nft"] as const, manager, unread: [] };
    const check = judge({ ...STOPPED, firewall }).find(({ id }) => id === "firewall_udp")!;
    return [check.fix, check.lasting, check.why.includes("only the program that made this table")];
  };
  const rule = "insert rule inet firewalld in udp dport 3009 accept";
  assertEquals(found(undefined, undefined), [
    `nft ${rule}`,
    `echo '${rule}' >>/etc/nftables.conf`,
    false,
  ]);
  const told = "firewall-cmd --permanent --add-port=3009/udp && firewall-cmd --reload";
  for (const flags of ["firewalld", "owner", ["owner", "persist"]]) {
    assertEquals(found(flags, "firewalld"), [told, undefined, true]);
    assertEquals(found(flags, undefined), [undefined, undefined, true]);
  }
});

Deno.test("doctor: no fix cuts off containers of others", () => {
  const docker0 = link(9, "docker0", "bridge", 1500, "172.2.0.1/16");
  const [check] = judge({
    ...RUNNING,
    links: [...RUNNING.links, docker0],
    routes: [...RUNNING.routes, route("172.2.0.0/16", 9, KERNEL)],
  }).filter(({ id }) => id === "routes");
  assertEquals([check?.status, check?.fix], ["fail", undefined]);
  assert(check?.why.includes("give the nodes other subnets"));
});

Deno.test("doctor: in mode tap nothing is asked of routes, forwarding and NAT", () => {
  const tap: Facts = { ...STOPPED, config: { ...config, mode: "tap" }, links: [LO, ETH0] };
  const mode = "tap" as const;
  const facts = { ...tap, peers: [peer({ ...ANSWERED, hello: { ...HELLO, mode } })] };
  assertEquals(wrong(judge(sysctl(facts, "net/ipv4/ip_forward", "0"))), []);
});

Deno.test("doctor: in mode tap a firewall may be asked of frames within the bridge", () => {
  const tap: Facts = {
    ...rules(STOPPED, "*filter\n:FORWARD DROP [0:0]"),
    config: { ...config, mode: "tap", bridge: "br0" },
    peers: [peer({ ...ANSWERED, hello: { ...HELLO, mode: "tap" } })],
  };
  assertEquals(wrong(judge(sysctl(tap, "net/bridge/bridge-nf-call-iptables", "0"))), []);
  assertEquals(wrong(judge(sysctl(tap, "net/bridge/bridge-nf-call-iptables", "1"))), [
    "bridge_firewall: fail: sysctl -w net.bridge.bridge-nf-call-iptables=0",
  ]);
});

/** A healthy node of mode tap, running: its device and a pod's port are in br0. */
const TAP_DEVICE: LinkFacts = { ...TUNNET0, master: 3, mtu_bytes: 1500 };
const TAP: Facts = {
  ...RUNNING,
  config: { ...config, mode: "tap", bridge: "br0" },
  links: [LO, ETH0, BR0, TAP_DEVICE, { ...link(5, "veth1", "veth", 1500), master: 3 }],
};

Deno.test("doctor: in mode tap the bridge and its ports are looked at, running or not", () => {
  const before: Facts = { ...TAP, portHolders: [], deviceHolders: [] };
  const withPeers = (facts: Facts): Facts => ({ ...facts, peers: RUNNING.peers });
  const change = (name: string, by: Partial<LinkFacts>) => ({
    links: TAP.links.map((one) => one.name === name ? { ...one, ...by } : one),
  });
  assertEquals(wrong(judge(TAP)), []);
  const cases: readonly (readonly [facts: Facts, found: readonly string[]])[] = [
    [{ ...before, links: [LO, ETH0] }, [
      "bridge: fail: ip link add name br0 type bridge && ip link set dev br0 up",
    ]],
    [{ ...TAP, ...change("br0", { up: false }) }, ["bridge: fail: ip link set dev br0 up"]],
    [{ ...TAP, ...change("tunnet0", { master: 0 }) }, [
      "bridge: fail: ip link set dev tunnet0 master br0",
    ]],
    [{ ...TAP, ...change("br0", { kind: "bond" }) }, ["bridge: fail"]],
    [{ ...TAP, ...change("veth1", { mtu_bytes: 9000 }) }, [
      "bridge_mtu: fail: ip link set dev tunnet0 mtu 9000",
    ]],
    [{ ...before, ...change("veth1", { mtu_bytes: 9000 }) }, [
      `bridge_mtu: fail: sed -i '/^mtu:/d' ${file} && echo 'mtu: 9000' >>${file}`,
    ]],
    [{ ...TAP, ...change("tunnet0", { mtu_bytes: 1454 }) }, [
      "bridge_mtu: fail: ip link set dev tunnet0 mtu 1500",
    ]],
  ];
  for (const [facts, found] of cases) assertEquals(wrong(judge(withPeers(facts))), found);
});

const file = "'my config.yaml'";

/** Pods leave the network by the host's address. */
const MASQUERADED = `*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -s 172.1.0.0/16 ! -d 172.0.0.0/8 -j MASQUERADE`;

/** Facts that differ from healthy ones, and all that is said of them. */
const SICK: readonly (readonly [name: string, facts: Facts, wrong: readonly string[]])[] = [
  ["no rights", { ...STOPPED, netAdmin: false }, ["rights: fail: sudo tunnet doctor"]],
  ["a key file that cannot be used", {
    ...STOPPED,
    keyFiles: [
      { path: KEY_FILE, problem: { what: "no such file", fix: "tunnet key" } },
      { path: "/a.psk", problem: { what: "/a.psk: open to all", fix: "chmod 600 /a.psk" } },
    ],
  }, ["keys: fail: tunnet key", "keys: fail: chmod 600 /a.psk"]],
  ["the key of another node", {
    ...STOPPED,
    self: { ...STOPPED.self, keys: KEYS },
    keyFiles: [{ path: KEY_FILE, publicKey: new Uint8Array(32).fill(8) }],
  }, ["keys: fail: tunnet key --show # the line for the config, on every node"]],
  ["this node's key", {
    ...STOPPED,
    self: { ...STOPPED.self, keys: KEYS },
    keyFiles: [{ path: KEY_FILE, publicKey: KEY }],
  }, []],
  ["a peer that answers no handshake", {
    ...RUNNING,
    links: [...STOPPED.links, { ...TUNNET0, mtu_bytes: 1440 }],
    peers: [peer(
      { kind: "told", state: "plain", why: "", problems: [], session: false },
      { node: { ...config.nodes[1]!, keys: KEYS } },
    )],
  }, [
    "peer: fail: on node-b: tunnet key --show # what the config must have as its public_key",
    "peer_config: skip",
  ]],
  ["a real WireGuard with a session", {
    ...RUNNING,
    links: [...STOPPED.links, { ...TUNNET0, mtu_bytes: 1440 }],
    peers: [peer(
      { kind: "told", state: "plain", why: "", problems: [], session: true },
      { node: { ...config.nodes[1]!, keys: { ...KEYS, wireguard: true } } },
    )],
  }, []],
  ["no tun driver", { ...STOPPED, tunDevice: "ENODEV" }, ["tun_driver: fail: modprobe tun"]],
  ["no tun node", { ...STOPPED, tunDevice: "ENOENT" }, [
    "tun_driver: fail: mkdir -p /dev/net && mknod -m 0666 /dev/net/tun c 10 200",
  ]],
  ["tun not for us", { ...STOPPED, tunDevice: "EACCES" }, [
    "tun_driver: fail: chmod 0666 /dev/net/tun",
  ]],
  ["a bridge of that name", {
    ...STOPPED,
    links: [...STOPPED.links, { ...TUNNET0, kind: "bridge" }],
  }, [
    "device: fail: ip link del dev tunnet0",
  ]],
  ["hardware of that name", {
    ...STOPPED,
    links: [...STOPPED.links, { ...TUNNET0, kind: undefined }],
  }, [
    "device: fail",
  ]],
  ["the device is held", { ...RUNNING, portHolders: [], peers: STOPPED.peers }, [
    "device: fail: kill 9",
  ]],
  ["the port is held", {
    ...STOPPED,
    portHolders: [{ pid: 5, name: "dig" }],
    peers: [peer({ kind: "not_asked", why: "" })],
  }, ["port: fail: kill 5", "peer: skip"]],
  ["the port is held by nobody we may see", {
    ...STOPPED,
    portHolders: [{ pid: 0, name: "" }],
    peers: [peer({ kind: "not_asked", why: "" })],
  }, ["port: fail: ss -lunp 'sport = :3009'", "peer: skip"]],
  ["the device is down", {
    ...RUNNING,
    links: [...STOPPED.links, { ...TUNNET0, up: false }],
  }, ["device: fail: ip link set dev tunnet0 up"]],
  ["another host's address", { ...STOPPED, selfAddresses: [parseAddress("10.0.0.1")!] }, [
    "own_address: fail: tunnet --peer --listen 0.0.0.0 # where that address is translated on the way",
  ]],
  ["forwarding off before the start", sysctl(STOPPED, "net/ipv4/ip_forward", "0"), [
    "ip_forward: warn: sysctl -w net.ipv4.ip_forward=1",
  ]],
  ["forwarding off", sysctl(RUNNING, "net/ipv4/ip_forward", "0"), [
    "ip_forward: fail: sysctl -w net.ipv4.ip_forward=1",
  ]],
  ["forwarding off on the bridge", sysctl(RUNNING, "net/ipv4/conf/br0/forwarding", "0"), [
    "ip_forward: fail: sysctl -w net.ipv4.conf.br0.forwarding=1",
  ]],
  ["IPv6 off on the bridge", sysctl(RUNNING, "net/ipv6/conf/br0/disable_ipv6", "1"), [
    "ipv6: fail: sysctl -w net.ipv6.conf.br0.disable_ipv6=0",
  ]],
  ["a dot in the bridge's name", {
    ...sysctl(RUNNING, "net/ipv4/conf/br.1/forwarding", "0"),
    links: [LO, ETH0, { ...BR0, name: "br.1" }, TUNNET0],
  }, ["ip_forward: fail: sysctl -w net/ipv4/conf/br.1/forwarding=1"]],
  ["strict reverse path, no default node", sysctl(RUNNING, "net/ipv4/conf/all/rp_filter", "1"), []],
  [
    "strict reverse path and a default node",
    {
      ...sysctl(RUNNING, "net/ipv4/conf/all/rp_filter", "1"),
      config: { ...config, defaultNode: "node-b" },
    },
    ["rp_filter: fail: sysctl -w net.ipv4.conf.tunnet0.rp_filter=2"],
  ],
  [
    "the default node itself",
    {
      ...sysctl(RUNNING, "net/ipv4/conf/all/rp_filter", "1"),
      config: { ...config, defaultNode: "node-a" },
    },
    [],
  ],
  ["pods without a way to the Internet", {
    ...STOPPED,
    routes: [...ROUTES, route("0.0.0.0/0", 2), route("::/0", 2)],
  }, [
    "outside: warn: iptables -t nat -A POSTROUTING -s 172.1.0.0/16 ! -d 172.0.0.0/8 -j MASQUERADE",
    "outside6: warn: " +
    "ip6tables -t nat -A POSTROUTING -s fd00:172:1::/64 ! -d fd00:172::/32 -j MASQUERADE",
  ]],
  ["the same without iptables", {
    ...STOPPED,
    config: { ...config, networks: [] },
    self: { ...config.nodes[0]!, subnets: config.nodes[0]!.subnets.slice(0, 1) },
    routes: [...ROUTES, route("0.0.0.0/0", 2)],
    firewall: { chains: [], tools: ["nft"], unread: [] },
  }, [
    "outside: warn: nft add table ip tunnet && nft 'add chain ip tunnet out " +
    "{ type nat hook postrouting priority 100; }' && nft add rule ip tunnet out " +
    "ip saddr 172.1.0.0/16 ip daddr != 172.1.0.0/16 masquerade",
  ]],
  [
    "a way to the Internet that the firewall closes",
    rules(
      { ...STOPPED, routes: [...ROUTES, route("0.0.0.0/0", 2)] },
      `*filter
:FORWARD DROP [0:0]
-A FORWARD -i tunnet0 -o br0 -j ACCEPT
-A FORWARD -i br0 -o tunnet0 -j ACCEPT
COMMIT
${MASQUERADED}`,
    ),
    ["outside: warn: iptables -I FORWARD -i br0 -o eth0 -j ACCEPT"],
  ],
  ["the default node's way is another's", {
    ...STOPPED,
    config: { ...config, defaultNode: "node-b" },
    routes: [...ROUTES, route("0.0.0.0/0", 2)],
  }, []],
  ["no bridge", { ...STOPPED, links: [LO, ETH0] }, [
    `local_subnet: fail: tunnet setup --netns -c ${file} --node node-a | sh`,
    `local_subnet: fail: tunnet setup --netns -c ${file} --node node-a | sh`,
  ]],
  ["no bridge, and subnets of two addresses", {
    ...STOPPED,
    links: [LO, ETH0],
    self: { ...config.nodes[0]!, subnets: PAIRS },
  }, []],
  ["no bridge on a Docker host", {
    ...STOPPED,
    links: [LO, ETH0, link(9, "docker0", "bridge", 1500)],
  }, [
    `local_subnet: fail: tunnet setup --docker -c ${file} --node node-a | sh`,
    `local_subnet: fail: tunnet setup --docker -c ${file} --node node-a | sh`,
  ]],
  ["a route within a remote subnet", {
    ...RUNNING,
    routes: [...RUNNING.routes, route("172.2.3.0/24", 2)],
  }, [
    "routes: fail: ip route del 172.2.3.0/24 dev eth0",
  ]],
  ["the same before the start", { ...STOPPED, routes: [...ROUTES, route("fd00:172:2::/65", 2)] }, [
    "routes: fail: ip -6 route del fd00:172:2::/65 dev eth0",
  ]],
  ["the network itself by another device", {
    ...STOPPED,
    routes: [...ROUTES, route("172.0.0.0/8", 2)],
  }, [
    "routes: fail: ip route add 172.2.0.0/16 dev tunnet0",
  ]],
  ["a wider route is none of ours", {
    ...rules(RUNNING, MASQUERADED),
    routes: [...RUNNING.routes, route("0.0.0.0/0", 2)],
  }, []],
  ["a route beside is none of ours", {
    ...RUNNING,
    routes: [...RUNNING.routes, route("172.17.0.0/16", 3)],
  }, []],
  ["no route to a subnet", {
    ...RUNNING,
    routes: [...ROUTES, TUNNEL_ROUTES[1]!],
    paths: new Map([...RUNNING.paths, ["172.2.0.0/16", { index: 2 }]]),
  }, ["routes: fail: ip route add 172.2.0.0/16 dev tunnet0"]],
  ["a rule of policy routing", {
    ...RUNNING,
    paths: new Map([...RUNNING.paths, ["172.2.0.0/16", { index: 2 }]]),
  }, ["routes: fail: ip rule add pref 1 to 172.2.0.0/16 lookup main"]],
  ["a node inside the network", withPeer(ANSWERED, { address: parseAddress("172.200.0.7") }), [
    "underlay: fail: ip route add 172.200.0.7 $(ip route show default | head -n 1 | cut -d ' ' -f 2-)",
  ]],
  ["a node inside the network before the start, which keeps the way to it", {
    ...rules(STOPPED, MASQUERADED),
    peers: [peer(ANSWERED, { address: parseAddress("172.200.0.7") })],
    routes: [...ROUTES, { ...ROUTES[0]!, prefix: parsePrefix("0.0.0.0/0")!.prefix, index: 2 }],
  }, []],
  [
    "IPv6 off, and IPv6 pods elsewhere",
    sysctl(WITHOUT_IPV6, "net/ipv6/conf/tunnet0/disable_ipv6", "1"),
    ["ipv6: warn: sysctl -w net.ipv6.conf.all.disable_ipv6=0"],
  ],
  ["the tun driver's file is a folder", { ...STOPPED, tunDevice: "EISDIR" }, [
    "tun_driver: fail: rm -r /dev/net/tun && mknod -m 0666 /dev/net/tun c 10 200",
  ]],
  ["the tun driver's file is a plain file", { ...STOPPED, tunDevice: "ENOTTY" }, [
    "tun_driver: fail: rm -r /dev/net/tun && mknod -m 0666 /dev/net/tun c 10 200",
  ]],
  ["an MTU too large, running", {
    ...RUNNING,
    links: [LO, ETH0, BR0, { ...TUNNET0, mtu_bytes: 1500 }],
  }, [
    "mtu: fail: ip link set dev tunnet0 mtu 1472",
  ]],
  ["an MTU too large, configured", { ...STOPPED, config: { ...config, mtu_bytes: 1500 } }, [
    `mtu: fail: sed -i '/^mtu:/d' ${file} && echo 'mtu: 1472' >>${file}`,
  ]],
  ["an MTU too small for IPv6", { ...STOPPED, config: { ...config, mtu_bytes: 1000 } }, [
    `mtu: fail: sed -i '/^mtu:/d' ${file} && echo 'mtu: 1280' >>${file}`,
  ]],
  [
    "a path with an MTU of its own",
    withPeer(ANSWERED, { path: { index: 2, mtu_bytes: 1400 } }),
    [],
  ],
  ["forwarded packets dropped", rules(STOPPED, "*filter\n:FORWARD DROP [0:0]"), [
    "forward: fail: iptables -I FORWARD -i tunnet0 -o br0 -j ACCEPT",
    "forward: fail: iptables -I FORWARD -i br0 -o tunnet0 -j ACCEPT",
  ]],
  [
    "perhaps dropped",
    rules(
      STOPPED,
      "*filter\n:FORWARD ACCEPT [0:0]\n" +
        "-A FORWARD -m set --match-set ok src -j ACCEPT\n-A FORWARD -i tunnet0 -j DROP",
    ),
    [
      "forward: warn: iptables -I FORWARD -i tunnet0 -o br0 -j ACCEPT",
    ],
  ],
  [
    "dropped before routing",
    rules(
      STOPPED,
      "*raw\n:PREROUTING ACCEPT [0:0]\n" +
        "-A PREROUTING -d 172.1.0.2/32 ! -i br0 -j DROP",
    ),
    [
      "forward: fail: iptables -t raw -I PREROUTING -i tunnet0 -j ACCEPT",
    ],
  ],
  [
    "masqueraded",
    rules(
      STOPPED,
      "*nat\n:POSTROUTING ACCEPT [0:0]\n" +
        "-A POSTROUTING -s 172.1.0.0/16 ! -o br0 -j MASQUERADE",
    ),
    [
      "nat: fail: iptables -t nat -I POSTROUTING -o tunnet0 -j ACCEPT",
    ],
  ],
  [
    "masqueraded towards pods",
    rules(
      STOPPED,
      "*nat\n:POSTROUTING ACCEPT [0:0]\n" +
        "-A POSTROUTING -o br0 -j MASQUERADE",
    ),
    [
      "nat: fail: iptables -t nat -I POSTROUTING -s 172.0.0.0/8 -o br0 -j ACCEPT",
    ],
  ],
  ["datagrams dropped on output", rules(STOPPED, "*filter\n:OUTPUT DROP [0:0]"), [
    "firewall_udp: fail: iptables -I OUTPUT -p udp --dport 3009 -j ACCEPT",
  ]],
  [
    "datagrams diverted",
    rules(
      STOPPED,
      "*nat\n:PREROUTING ACCEPT [0:0]\n" +
        "-A PREROUTING -p udp -m udp --dport 3009 -j REDIRECT --to-ports 1",
    ),
    [
      "port_nat: fail: iptables -t nat -I PREROUTING -p udp --dport 3009 -j ACCEPT",
    ],
  ],
  ["rules that cannot be read", {
    ...STOPPED,
    firewall: { chains: [], tools: ["nft"], unread: ["nft: no"] },
  }, [
    "firewall: skip",
  ]],
  ["a name that is not known", withPeer(ANSWERED, { address: undefined, path: undefined }), [
    "peer: fail: echo '192.0.2.1 192.168.0.7' >>/etc/hosts # with its address",
  ]],
  ["no route to a peer", withPeer({ kind: "silent" }, { path: undefined }), [
    "peer: fail: ip route add 192.168.0.7 via ROUTER # with your router's address",
  ]],
  ["a silent peer", withPeer({ kind: "silent" }), [
    "peer: fail: on node-b: tunnet doctor --node node-b",
  ]],
  ["a peer that does not hear us", withPeer({ kind: "deaf", hello: HELLO }), [
    "peer: fail: on node-b: iptables -I INPUT -p udp --dport 3009 -j ACCEPT",
  ]],
  ["a peer that does not run", withPeer({ kind: "refused" }), [
    "peer: fail: on node-b: tunnet --peer",
  ]],
  ["a plain peer, as the running node tells", {
    ...RUNNING,
    peers: [peer({ kind: "told", state: "plain", why: "", problems: [] })],
  }, ["peer: warn: on node-b: tunnet doctor --node node-b", "peer_config: skip"]],
  ["a silent peer, as the running node tells", {
    ...RUNNING,
    peers: [peer({ kind: "told", state: "silent", why: "", problems: [] })],
  }, ["peer: fail: on node-b: tunnet doctor --node node-b", "peer_config: skip"]],
  ["a peer that does not fit, as the running node tells", {
    ...RUNNING,
    peers: [peer({ kind: "told", state: "up", why: "", problems: ["it runs in mode tap"] })],
  }, ["peer_config: warn: on node-b: tunnet check"]],
  ["a way that swallows large packets", withPeer({ ...ANSWERED, largest_bytes: 1372 }), [
    `path_mtu: fail: sed -i '/^mtu:/d' ${file} && echo 'mtu: 1372' >>${file}`,
  ]],
  ["a way that reports large packets", withPeer({ ...ANSWERED, largest_bytes: 1372, told: true }), [
    `path_mtu: warn: sed -i '/^mtu:/d' ${file} && echo 'mtu: 1372' >>${file}`,
  ]],
  ["another mode", withPeer({ ...ANSWERED, hello: { ...HELLO, mode: "tap" } }), [
    "peer_config: fail: on node-b: tunnet check",
  ]],
  ["another name", withPeer({ ...ANSWERED, hello: { ...HELLO, name: "x" } }), [
    "peer_config: fail: on node-b: tunnet check",
  ]],
  ["another protocol", withPeer({ ...ANSWERED, hello: { ...HELLO, version: 2 } }), [
    "peer_config: warn: on node-b: tunnet --version",
  ]],
  ["a clock of the last century", { ...STOPPED, clock_ms: 0 }, [
    "clock: fail: timedatectl set-ntp true",
  ]],
];

for (const [name, facts, expected] of SICK) {
  Deno.test(`doctor: ${name}`, () => assertEquals(wrong(judge(facts)), expected));
}

Deno.test("doctor: every check says something, in one line", () => {
  for (const [, facts] of SICK) {
    for (const { id, title, why, fix = "" } of judge(facts)) {
      for (const text of [id, title, why, fix]) assertFalse(text.includes("\n"), text);
      assert(id !== "" && title !== "" || why !== "");
    }
  }
});

Deno.test("doctor: the report as text and as JSON", () => {
  const checks: Check[] = [
    { id: "a", title: "A", status: "ok", why: "good" },
    { id: "b", title: "B", status: "warn", why: "odd", fix: "do b" },
    { id: "c", title: "C", status: "fail", why: "bad", fix: "do c", fixOn: "node-b" },
    { id: "d", title: "D", status: "skip", why: "dark" },
  ];
  assertEquals(reportText(STOPPED.self, checks, false).split("\n"), [
    "ok   A: good",
    "warn B: odd",
    "     fix: do b",
    "FAIL C: bad",
    "     fix on node-b: do c",
    "skip D: dark",
    "",
    "node-a: 1 to fix, 1 to look at, 1 not looked at",
    "",
  ]);
  assertEquals(
    reportText(STOPPED.self, checks.slice(0, 1), false),
    "ok   A: good\n\nnode-a: all is well\n",
  );
  assertFalse(allWell(checks));
  assert(allWell(checks.slice(0, 2)));
  const json = reportJson(STOPPED.self, checks);
  assertEquals([json.version, json.node, json.ok, json.checks.length], [1, "node-a", false, 4]);
  assertEquals(json.checks.map(({ fix_on }) => fix_on), [null, "node-a", "node-b", null]);
});

Deno.test("doctor: etcd that answers, is away, without leader, full, or without a network", () => {
  const member = {
    endpoint: "http://10.0.0.5:2379",
    hasLeader: true,
    db_bytes: 1e6,
    ahead_ms: 900,
  };
  const refused = { what: "etcd is away", why: "nobody listens there", how: "another URL" };
  const away = { endpoint: "http://10.0.0.6:2379", problem: refused };
  const found = (etcd: Partial<NonNullable<Facts["etcd"]>>, facts = STOPPED) =>
    judge({ ...facts, etcd: { members: [member], records: 3, own: "10.5.1.0/24", ...etcd } })
      .filter(({ id }) => id === "etcd")
      .map(({ status, why, fix }) => [status, why, ...(fix ? [fix] : [])]);
  assertEquals(found({}), [[
    "ok",
    "it answers, 3 records below /coreos.com/network, this node has 10.5.1.0/24",
  ]]);
  assertEquals(found({ own: undefined })[0]?.[0], "ok");
  assertEquals(found({ own: undefined }, RUNNING)[0]?.[0], "fail");
  assertEquals(found({ members: [member, away] }), [
    ["warn", "etcd is away (nobody listens there)", "another URL"],
  ]);
  // Said once, for the member that it is about.
  assertEquals(found({ members: [away], problem: refused }), [
    ["fail", "etcd is away (nobody listens there)", "another URL"],
  ]);
  const problem = { what: "etcd has no network", why: "no key", how: "tunnet etcd init" };
  assertEquals(found({ problem }), [["fail", "etcd has no network (no key)", "tunnet etcd init"]]);
  const texts = (change: Partial<typeof member>) =>
    found({ members: [{ ...member, ...change }] }).map(([status, why]) => `${status}: ${why}`);
  assertEquals(texts({ hasLeader: false }).length, 1);
  assert(texts({ hasLeader: false })[0]!.startsWith("fail: http://10.0.0.5:2379 has no leader"));
  assertEquals(texts({ ahead_ms: -60_000 }), [
    "warn: the clock of http://10.0.0.5:2379 is -60 s ahead of this host's",
  ]);
  assert(
    texts({ db_bytes: 1.9e9 })[0]!.startsWith("warn: the database of http://10.0.0.5:2379 has 1.8"),
  );
});
