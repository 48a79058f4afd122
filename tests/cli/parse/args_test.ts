import type { Options } from "../../../src/cli/commands.ts";
import { type Command, parseCommand } from "../../../src/cli/parse/command_line.ts";
import { parseAddress, parsePrefix } from "../../../src/net/prefix.ts";
import { assertEquals } from "../../assert.ts";

const NO_ETCD = { etcd: undefined, subnetFile: undefined };
const UP: Options["up"] = {
  specs: [],
  local: [],
  config: undefined,
  node: undefined,
  listen: undefined,
  device: undefined,
  mtu_bytes: undefined,
  port: undefined,
  mode: undefined,
  engine: undefined,
  watchConfig: false,
  trace: undefined,
  pcap: undefined,
  sysctl: true,
  noDrop: false,
  helloInterval_ms: undefined,
  logLevel: undefined,
  privateKeyFile: undefined,
  rekeyAfter_ms: undefined,
  etcd: undefined,
  subnet: undefined,
  subnetFile: undefined,
  stateDir: undefined,
  json: false,
  statusSocket: undefined,
  http: undefined,
  httpHosts: [],
  httpTrace: false,
};

const up = (options: Partial<Options["up"]> = {}): Command => ({
  kind: "up",
  options: { ...UP, ...options },
});

const DUMP: Options["dump"] = {
  device: "tun0",
  mode: undefined,
  addresses: [],
  count: undefined,
  pcap: undefined,
  json: false,
};

const dump = (options: Partial<Options["dump"]> = {}): Command => ({
  kind: "dump",
  options: { ...DUMP, ...options },
});

const SPEC = "172.2.0.0/16=10.0.0.2";
const SPEC6 = "fd00:2::/64,172.3.0.0/16=[2001:db8::2]:4000";
const RELOAD = { json: false, device: undefined, socket: undefined };
const LAB = {
  nodes: undefined,
  config: undefined,
  mode: undefined,
  ipv6: false,
  underlay6: false,
  encrypt: false,
  docker: false,
  keep: false,
  http: false,
  down: false,
  json: false,
};
const WHERE = { config: undefined, node: undefined };
const LOOK = { ...WHERE, json: false };
const STATUS = {
  httpHosts: [],
  httpTrace: false,
  watch: false,
  json: false,
  device: undefined,
  socket: undefined,
  http: undefined,
};

const GOOD: readonly (readonly [args: readonly string[], command: Command])[] = [
  [[], { kind: "help", asked: false }],
  [["--help"], { kind: "help", asked: true }],
  [["-h"], { kind: "help", asked: true }],
  [["help"], { kind: "help", asked: true }],
  [["help", "lab"], { kind: "help", command: "lab", asked: true }],
  [["help", "mtu"], { kind: "help", topic: "mtu", asked: true }],
  [["help", "--man"], { kind: "help", topic: "man", asked: true }],
  [["completion", "zsh"], { kind: "completion", options: { shell: "zsh" } }],
  [["help", "--peer"], { kind: "help", command: "up", asked: true }],
  [["--help", "check"], { kind: "help", command: "check", asked: true }],
  [["lab", "--help"], { kind: "help", command: "lab", asked: true }],
  [["--peer", "-h"], { kind: "help", command: "up", asked: true }],
  [["route", "--help"], { kind: "help", command: "route", asked: true }],
  [["--version"], { kind: "version" }],
  [["-V"], { kind: "version" }],
  [["version"], { kind: "version" }],
  [["init"], { kind: "init", options: {} }],
  [["--peer"], up()],
  [["up"], up()],
  [["--peer", SPEC], up({ specs: [SPEC] })],
  [["up", SPEC, SPEC6], up({ specs: [SPEC, SPEC6] })],
  [[`--peer=${SPEC}`, `--peer=${SPEC6}`], up({ specs: [SPEC, SPEC6] })],
  [["--peer", SPEC, SPEC6, "--json"], up({ specs: [SPEC, SPEC6], json: true })],
  [["--peer", "--", SPEC], up({ specs: [SPEC] })],
  [["--peer", "--json", SPEC], up({ specs: [SPEC], json: true })],
  [["--node", "a", "--peer"], up({ node: "a" })],
  [["--peer", "-c", "x.yaml", "--node=007"], up({ config: "x.yaml", node: "007" })],
  [["up", "-c=x.yaml"], up({ config: "x.yaml" })],
  [["up", "--config=x=y.yaml"], up({ config: "x=y.yaml" })],
  [["--peer", "--no-sysctl", "--log-level", "debug"], up({ sysctl: false, logLevel: "debug" })],
  [["--peer", "--hello-interval", "500ms"], up({ helloInterval_ms: 500 })],
  [["--peer", "--hello-interval=60s"], up({ helloInterval_ms: 60_000 })],
  [
    ["up", "--local", "172.1.0.0/16,fd00:1::/64", "--local=172.9.0.0/16"],
    up({ local: ["172.1.0.0/16", "fd00:1::/64", "172.9.0.0/16"] }),
  ],
  [
    ["up", "--listen", "[::]:4000", "--device", "t0", "--mtu", "1400", "--port", "4000"],
    up({ listen: "[::]:4000", device: "t0", mtu_bytes: 1400, port: 4000 }),
  ],
  [["up", "--engine", "auto"], up({ engine: { engine: "auto", off: new Set() } })],
  [["up", "--mode", "tap", "10.0.0.2"], up({ mode: "tap", specs: ["10.0.0.2"] })],
  [["up", "--mode=tun"], up({ mode: "tun" })],
  [
    ["up", "--engine=batch,-uso,-gro"],
    up({ engine: { engine: "batch", off: new Set(["uso", "gro"]) } }),
  ],
  [["up", "--mtu=auto"], up({ mtu_bytes: "auto" })],
  [["--peer", "--trace"], up({ trace: "" })],
  [["--peer", "--trace", "172.2.0.0/16,icmp"], up({ trace: "172.2.0.0/16,icmp" })],
  [["--peer", "--trace=node-b", SPEC], up({ trace: "node-b", specs: [SPEC] })],
  [["--peer", "--trace", SPEC], up({ trace: "", specs: [SPEC] })],
  [["--trace", "--peer", "--json"], up({ trace: "", json: true })],
  [["up", "--pcap", "-"], up({ pcap: { path: "-", size_bytes: undefined, files: 10 } })],
  [
    ["up", "--pcap=x", "--pcap-size=1M", "--trace", "tcp"],
    up({ trace: "tcp", pcap: { path: "x", size_bytes: 1024 * 1024, files: 10 } }),
  ],
  [["check"], { kind: "check", options: LOOK }],
  [["check", "x.yaml"], { kind: "check", options: { ...LOOK, config: "x.yaml" } }],
  [
    ["check", "--json", "-c", "x", "--node", "a"],
    { kind: "check", options: { config: "x", node: "a", json: true } },
  ],
  [
    ["route", "172.2.0.9"],
    { kind: "route", options: { ...LOOK, specs: [], target: parseAddress("172.2.0.9")! } },
  ],
  [
    ["route", `--peer=${SPEC}`, "--peer", SPEC6, "fd00:2::9"],
    {
      kind: "route",
      options: { ...LOOK, specs: [SPEC, SPEC6], target: parseAddress("fd00:2::9")! },
    },
  ],
  [
    ["route", "172.2.0.0/16"],
    { kind: "route", options: { ...LOOK, specs: [], target: parsePrefix("172.2.0.0/16")!.prefix } },
  ],
  [["route", "node-b"], { kind: "route", options: { ...LOOK, specs: [], target: "node-b" } }],
  [["up", "--http", "9309"], up({ http: { host: "127.0.0.1", port: 9309 } })],
  [["up", "--http", "127.0.0.1"], up({ http: { host: "127.0.0.1", port: 9309 } })],
  [
    ["up", "--http=[::1]:80", "--status-socket", "/tmp/s"],
    up({ http: { host: "::1", port: 80 }, statusSocket: "/tmp/s" }),
  ],
  [["reload"], { kind: "reload", options: RELOAD }],
  [["reload", "--device", "t0"], { kind: "reload", options: { ...RELOAD, device: "t0" } }],
  [["reload", "--socket=/s", "--json"], {
    kind: "reload",
    options: { ...RELOAD, socket: "/s", json: true },
  }],
  [["--peer", "--watch-config"], up({ watchConfig: true })],
  [["status"], { kind: "status", options: STATUS }],
  [["status", "-w", "--json"], { kind: "status", options: { ...STATUS, watch: true, json: true } }],
  [["status", "--device", "t0"], { kind: "status", options: { ...STATUS, device: "t0" } }],
  [["status", "--http", "127.0.0.1:80"], {
    kind: "status",
    options: { ...STATUS, http: { host: "127.0.0.1", port: 80 } },
  }],
  [["status", "--socket=/s"], { kind: "status", options: { ...STATUS, socket: "/s" } }],
  [["status", "--http", "80", "--http-host=Node-A.lan", "--http-host", "*.x.org"], {
    kind: "status",
    options: {
      ...STATUS,
      http: { host: "127.0.0.1", port: 80 },
      httpHosts: ["node-a.lan", "*.x.org"],
    },
  }],
  [["trace"], {
    kind: "trace",
    options: { ...RELOAD, count: undefined, filter: "" },
  }],
  [["trace", "10.0.0.0/8,icmp", "-c", "3", "--json"], {
    kind: "trace",
    options: { ...RELOAD, count: 3, filter: "10.0.0.0/8,icmp", json: true },
  }],
  [["pcap", "-w", "x.pcapng", "dropped"], {
    kind: "pcap",
    options: {
      ...{ device: undefined, socket: undefined, count: undefined },
      ...{ filter: "dropped", write: "x.pcapng" },
    },
  }],
  [["lab"], { kind: "lab", options: LAB }],
  [["lab", "--nodes", "16", "--keep"], { kind: "lab", options: { ...LAB, nodes: 16, keep: true } }],
  [["lab", "--docker"], { kind: "lab", options: { ...LAB, docker: true } }],
  [["lab", "--down"], { kind: "lab", options: { ...LAB, down: true } }],
  [
    ["lab", "--ipv6", "--underlay6", "--json"],
    { kind: "lab", options: { ...LAB, ipv6: true, underlay6: true, json: true } },
  ],
  [["doctor"], {
    kind: "doctor",
    options: { ...LOOK, etcd: undefined, privateKeyFile: undefined },
  }],
  [
    ["doctor", "--node", "a", "--json", "-c", "x"],
    {
      kind: "doctor",
      options: { config: "x", node: "a", etcd: undefined, privateKeyFile: undefined, json: true },
    },
  ],
  [["setup"], { kind: "setup", options: { ...WHERE, ...NO_ETCD, what: "docker", undo: false } }],
  [
    ["setup", "--systemd", "--undo", "--node", "a", "-c", "x"],
    { kind: "setup", options: { config: "x", node: "a", ...NO_ETCD, what: "systemd", undo: true } },
  ],
  [["setup", "--netns"], {
    kind: "setup",
    options: { ...WHERE, ...NO_ETCD, what: "netns", undo: false },
  }],
  [["dump", "tun0"], dump()],
  [["dump", "--mode", "tap", "tap0", "--json"], dump({ device: "tap0", mode: "tap", json: true })],
  [
    ["dump", "tun0", "--address", "192.168.1.11/24", "--address=fd00::1/64", "--count=9"],
    dump({
      addresses: [
        { address: parseAddress("192.168.1.11")!, length_bits: 24 },
        { address: parseAddress("fd00::1")!, length_bits: 64 },
      ],
      count: 9,
    }),
  ],
  [
    ["dump", "tun0", "--pcap", "-"],
    dump({ pcap: { path: "-", size_bytes: undefined, files: 10 } }),
  ],
  [
    ["dump", "tun0", "--pcap=a.pcapng", "--pcap-size", "100m", "--pcap-files", "3"],
    dump({ pcap: { path: "a.pcapng", size_bytes: 100 * 1024 * 1024, files: 3 } }),
  ],
  [["help", "dump"], { kind: "help", command: "dump", asked: true }],
  [["lab", "-c", "x.yaml"], { kind: "lab", options: { ...LAB, config: "x.yaml" } }],
];

for (const [args, command] of GOOD) {
  Deno.test(`command line: tunnet ${args.join(" ")}`, () => {
    assertEquals(parseCommand(args), command);
  });
}
