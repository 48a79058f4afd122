/**
 * The table of commands: the parser, the help, "did you mean" and the types of the options all
 * come from here. Pure.
 */

import { CAPTURE_FILES_DEFAULT, PRIVATE_KEY_FILE, STATE_DIR, SUBNET_FILE } from "../base/limits.ts";
import {
  quote,
  readDevice,
  readKeyFile,
  readMode,
  readMtu,
  readPort,
  readPrefix,
} from "../config/values.ts";
import { readEtcdEndpoints } from "../config/etcd.ts";
import { readEngine } from "../config/engine.ts";
import { readHttp, readHttpName, readLogLevel } from "../config/service.ts";
import { FILE_KINDS, SETUP_KINDS } from "../tools/setup/script.ts";
import { command, type CommandSpec, type Values } from "./parse/command.ts";
import { fail, readText, repeated, single, toggle } from "./parse/flag.ts";
import {
  readBackend,
  readCaptureFiles,
  readCaptureSize,
  readCount,
  readHelloInterval,
  readInterfaceAddress,
  readLabNodes,
  readListen,
  readRekeyAfter,
  readSubnetLength,
  readTarget,
} from "./parse/values.ts";

const config = (help: string) => single("config", "FILE", readText, help, { short: "c" });
const node = (help: string) => single("node", "NAME", readText, help);
const mode = (help: string) => single("mode", "tun|tap", readMode, help);
const json = (help = "print JSON") => toggle("json", help);

const CONFIG = config("the config to read");
const NODE = node("which node of the config this is (default: the one whose address is local)");

const ETCD = single(
  "etcd",
  "URL[,URL]",
  readEtcdEndpoints,
  "members from etcd, in flannel's layout: `tunnet help etcd`",
);

const SUBNET_FILE_FLAG = single(
  "subnet-file",
  "FILE",
  readKeyFile,
  `with etcd: where the node's subnet is told (default: ${SUBNET_FILE})`,
);

/** Flags that say which running node is meant. */
const RUNNING = {
  device: single("device", "NAME", readDevice, "of the node with this device, if several run here"),
  socket: single("socket", "PATH", readText, "of the node with this status socket"),
};
const ONE_RUNNING = ["device", "socket", "each names the node to ask"] as const;

const HTTP_HOSTS = repeated(
  "http-host",
  "NAME",
  readHttpName,
  "a name by which --http may be asked, besides addresses; *.NAME for all below it",
);

const PRIVATE_KEY_FLAG = single(
  "private-key-file",
  "FILE",
  readKeyFile,
  `another private key than the config names (default: ${PRIVATE_KEY_FILE})`,
);

const HTTP_TRACE = toggle("http-trace", "show packets to whoever asks over HTTP");

/** Flags of captures. */
const CAPTURE = {
  pcap: single("pcap", "FILE|-", readText, "write a pcapng capture, for Wireshark; - is stdout"),
  pcapSize: single(
    "pcap-size",
    "SIZE",
    readCaptureSize,
    "begin a new file at this size, such as 100M",
  ),
  pcapFiles: single(
    "pcap-files",
    "N",
    readCaptureFiles,
    `files kept with --pcap-size (default: ${CAPTURE_FILES_DEFAULT})`,
  ),
};

/** Where a capture goes: `-` is standard output. */
export interface CaptureOptions {
  readonly path: string;
  readonly size_bytes: number | undefined;
  readonly files: number;
}

/**
 * What the flags of a capture come to; undefined without --pcap. `lines` is the flag that has
 * lines written to standard output, which cannot hold both.
 */
function captureOf(
  { pcap: path, pcapSize: size_bytes, pcapFiles: files }: Values<typeof CAPTURE>,
  lines: string | undefined,
): CaptureOptions | undefined {
  if (path === undefined && (size_bytes ?? files) !== undefined) {
    const flag = size_bytes === undefined ? "--pcap-files" : "--pcap-size";
    fail({ what: `${flag} without a capture`, how: "--pcap FILE" });
  }
  if (size_bytes === undefined && files !== undefined) {
    fail({ what: "--pcap-files without a size to begin a new one at", how: "--pcap-size SIZE" });
  }
  if (path === "-" && size_bytes !== undefined) {
    fail({ what: "--pcap-size: standard output is one stream", how: "--pcap FILE" });
  }
  if (path === "-" && lines !== undefined) {
    const why = "both write to standard output";
    fail({ what: `${lines} and --pcap -`, why, how: "--pcap FILE" });
  }
  return path === undefined
    ? undefined
    : { path, size_bytes, files: files ?? CAPTURE_FILES_DEFAULT };
}

const CONFIG_NOTE = "Without -c, the config is $TUNNET_CONFIG, ./tunnet.yaml, " +
  "/etc/tunnet/tunnet.yaml, or the one in the executable.";

const up = command({
  name: "up",
  usage: "--peer [SPEC ...]",
  summary: "run this node in the foreground (`tunnet up` is the same)",
  positional: {
    name: "SPEC",
    max: Infinity,
    help: "an inline peer, CIDR[,CIDR...]=HOST[:PORT]; without any, peers come from the config",
  },
  flags: {
    config: CONFIG,
    node: NODE,
    peer: repeated(
      "peer",
      "CIDR=HOST",
      readText,
      "an inline peer, CIDR[,CIDR...]=HOST[:PORT]; with one, no config is read",
      { optional: true },
    ),
    local: repeated(
      "local",
      "CIDR[,CIDR]",
      readText,
      "this node's own pod subnets (with inline peers)",
    ),
    listen: single("listen", "HOST[:PORT]", readListen, "bind here instead of the node's address"),
    device: single("device", "NAME", readDevice, "name of the tun or tap device"),
    mode: mode("carry IP packets (tun), or Ethernet frames (tap)"),
    mtu_bytes: single("mtu", "N|auto", readMtu, "MTU of that device"),
    port: single("port", "N", readPort, "UDP port of nodes that name none"),
    engine: single(
      "engine",
      "ENGINE",
      readEngine,
      "auto (default), batch or datagram; `,-FEATURE` leaves a kernel feature out, " +
        "`,lanes=N` sets the number of lanes",
    ),
    http: single(
      "http",
      "[HOST:]PORT",
      readHttp,
      "serve a status page, /metrics, /status.json and /healthz over HTTP",
    ),
    httpHosts: HTTP_HOSTS,
    httpTrace: HTTP_TRACE,
    statusSocket: single("status-socket", "PATH", readText, "put the status socket there"),
    watchConfig: toggle("watch-config", "read the config again whenever its file changes"),
    trace: single(
      "trace",
      "FILTER",
      readText,
      "print each packet and what became of it: all, or those of some addresses, subnets, " +
        "protocols, peers and drop reasons, with commas between them",
      { optional: true },
    ),
    ...CAPTURE,
    noSysctl: toggle("no-sysctl", "leave ip_forward as it is"),
    noDrop: toggle("no-drop", "keep all rights, and stay root"),
    helloInterval_ms: single(
      "hello-interval",
      "TIME",
      readHelloInterval,
      "between two hellos, the same on every node (default 5s; from 100ms)",
    ),
    privateKeyFile: PRIVATE_KEY_FLAG,
    etcd: ETCD,
    subnet: single("subnet", "CIDR", readPrefix, "with etcd: no other subnet for this node"),
    subnetFile: SUBNET_FILE_FLAG,
    stateDir: single(
      "state-dir",
      "DIR",
      readKeyFile,
      `with etcd: where its last members are kept (default: ${STATE_DIR})`,
    ),
    rekeyAfter_ms: single(
      "rekey-after",
      "TIME",
      readRekeyAfter,
      "make new session keys so often (default 120s, as every WireGuard)",
    ),
    logLevel: single("log-level", "LEVEL", readLogLevel, "error, warn, info (default) or debug"),
    json: json("logs as JSON lines"),
  },
  options: ({ peer, noSysctl, pcap, pcapSize, pcapFiles, ...values }, positional) => ({
    ...values,
    /** Inline peers. */
    specs: [...peer.filter((spec) => spec !== ""), ...positional],
    local: values.local.flatMap((subnets) => subnets.split(",")),
    /** Whether ip_forward may be switched on. */
    sysctl: !noSysctl,
    pcap: captureOf(
      { pcap, pcapSize, pcapFiles },
      values.trace === undefined ? undefined : "--trace",
    ),
  }),
  notes: [
    CONFIG_NOTE,
    "With --mode tap, an inline peer is HOST[:PORT] alone.",
    "Flags override the config. Ctrl-C or SIGTERM ends it and tidies up; SIGHUP reads the " +
    "config again.",
  ],
  examples: [
    "sudo tunnet --peer",
    "sudo tunnet --peer --http 127.0.0.1:9309",
    "sudo tunnet --peer -c lab.yaml --node node-a",
    "sudo tunnet --peer --trace 172.2.0.0/16,icmp --pcap node.pcapng",
    "sudo tunnet --peer --etcd http://192.168.0.5:2379",
    "sudo tunnet --peer 172.2.0.0/16=192.168.0.7 --local 172.1.0.0/16",
    "sudo tunnet --peer --mode tap 192.168.0.7 --listen 192.168.0.8",
  ],
});

const check = command({
  name: "check",
  usage: "check [FILE]",
  summary: "check the config and print its nodes",
  positional: { name: "FILE", max: 1, help: "the config to check, as with -c" },
  flags: { config: CONFIG, node: node("mark this node in the table"), json: json() },
  options: (values, [file]) => {
    if (file !== undefined && values.config !== undefined) {
      fail({ what: "-c and a FILE", why: "each names the config", how: "one of the two" });
    }
    return { ...values, config: file === undefined ? values.config : file };
  },
  notes: [CONFIG_NOTE],
  examples: ["tunnet check", "tunnet check lab.yaml --json"],
});

const route = command({
  name: "route",
  usage: "route ADDRESS",
  summary: "which node gets packets to this address, and why",
  positional: {
    name: "ADDRESS",
    max: 1,
    help: "an IPv4 or IPv6 address, a subnet, or a node's name for all that it gets",
  },
  flags: {
    config: CONFIG,
    node: node("seen from this node of the config"),
    specs: repeated(
      "peer",
      "SPEC",
      readText,
      "an inline peer, CIDR[,CIDR...]=HOST[:PORT]; with one, no config is read",
    ),
    json: json(),
  },
  options: (values, [text]) => {
    if (text === undefined) fail({ what: "route needs an address", how: "tunnet route ADDRESS" });
    const target = readTarget(text);
    if (target.problem) fail(target.problem);
    return { ...values, target: target.value };
  },
  notes: [CONFIG_NOTE, "Exit status 1 if no node gets them."],
  examples: [
    "tunnet route 10.244.2.9",
    "tunnet route 10.244.2.0/24",
    "tunnet route node-b",
    "tunnet route 10.244.2.9 --peer=10.244.2.0/24=192.168.0.7",
  ],
});

const status = command({
  name: "status",
  usage: "status",
  summary: "live state of the running node: peers, rates, drops",
  flags: {
    watch: toggle("watch", "show it again every second, with sparklines; q ends it", {
      short: "w",
    }),
    http: single("http", "[HOST:]PORT", readHttp, "serve its page and metrics there, until Ctrl-C"),
    httpHosts: HTTP_HOSTS,
    httpTrace: HTTP_TRACE,
    ...RUNNING,
    json: json("print JSON; with --watch, one line a second"),
  },
  exclusive: [
    ONE_RUNNING,
    ["watch", "http", "--http shows it in a browser"],
    ["json", "http", "--http shows it in a browser"],
  ],
  options: (values) => values,
  notes: ["Exit status 1 if no node runs here."],
  examples: ["tunnet status", "tunnet status --watch", "tunnet status --json"],
});

const reload = command({
  name: "reload",
  usage: "reload",
  summary: "have the running node read its config again, and say what came of it",
  flags: { ...RUNNING, json: json() },
  exclusive: [ONE_RUNNING],
  options: (values) => values,
  notes: [
    "Exit status 0 if the config was taken over; if it was not, nothing has changed. SIGHUP does " +
    "the same without telling.",
  ],
  examples: ["sudo tunnet reload", "sudo tunnet reload --device tunnet1"],
});

const lab = command({
  name: "lab",
  usage: "lab",
  summary: "try it all in network namespaces on this machine",
  flags: {
    nodes: single("nodes", "N", readLabNodes, "how many nodes, 2 (default) to 16"),
    config: config("build the nodes of this config instead"),
    ipv6: toggle("ipv6", "IPv6 pods as well"),
    underlay6: toggle("underlay6", "nodes reach each other over IPv6"),
    mode: mode("with tap, all pods are in one subnet"),
    encrypt: toggle("encrypt", "give each node a key: everything between them is sealed"),
    docker: toggle("docker", "Docker hosts: an Engine on each node, containers as pods"),
    keep: toggle("keep", "leave it up, and print how to enter it"),
    http: toggle("http", "the same, and serve the page of its first node; print where"),
    down: toggle("down", "remove what --keep left"),
    json: json(),
  },
  exclusive: [
    ...(["nodes", "ipv6", "underlay6", "mode", "encrypt"] as const)
      .map((flag) => [flag, "config", "the config describes the nodes"] as const),
    ["keep", "docker", "Docker Engines do not outlive the lab"],
    ["http", "docker", "Docker Engines do not outlive the lab"],
    ["mode", "docker", "containers are in a subnet for each node"],
    ["encrypt", "docker", "the lab of Docker hosts is in the clear"],
    ...([
      "keep",
      "http",
      "nodes",
      "config",
      "ipv6",
      "underlay6",
      "mode",
      "encrypt",
      "docker",
    ] as const)
      .map((flag) => [flag, "down", "--down removes a kept lab"] as const),
  ],
  options: (values) => values,
  notes: ["Needs root. Everything is removed at the end, Ctrl-C included."],
  examples: [
    "sudo tunnet lab",
    "sudo tunnet lab --nodes 5 --keep",
    "sudo tunnet lab --http",
    "sudo tunnet lab --encrypt",
    "sudo tunnet lab --docker",
    "sudo tunnet lab --down",
  ],
});

const dump = command({
  name: "dump",
  usage: "dump DEVICE",
  summary: "print what arrives on a tun or tap device",
  positional: { name: "DEVICE", max: 1, help: "a device: made, or taken over if there is one" },
  flags: {
    mode: mode("IP packets or Ethernet frames (default: as the device is; a new tapN has frames)"),
    addresses: repeated(
      "address",
      "CIDR",
      readInterfaceAddress,
      "an address to give to the device, such as 192.168.1.1/24",
    ),
    count: single("count", "N", readCount, "end after N packets"),
    ...CAPTURE,
    json: json("one JSON object per packet"),
  },
  options: ({ pcap, pcapSize, pcapFiles, ...values }, [text]) => {
    if (text === undefined) fail({ what: "dump needs a device", how: "tunnet dump DEVICE" });
    const device = readDevice(text);
    if (device.problem) fail(device.problem);
    return {
      ...values,
      device: device.value,
      pcap: captureOf({ pcap, pcapSize, pcapFiles }, values.json ? "--json" : undefined),
    };
  },
  notes: [
    "The device is switched on, and left as it was found. Nothing answers on it: " +
    "what the kernel sends there is shown and goes no further.",
    "Ctrl-C or SIGTERM ends it; a summary follows on standard error.",
  ],
  examples: [
    "sudo tunnet dump tun0 --address 192.168.1.1/24",
    "sudo tunnet dump tap0 --count 10",
    "sudo tunnet dump tun0 --pcap - | tshark -r -",
  ],
});

/** The filter of packets, and what they have in common otherwise. */
const PACKETS = {
  positional: {
    name: "FILTER",
    max: 1,
    help: "addresses, subnets, protocols, peers and drop reasons (or dropped), with commas between",
  },
  count: single("count", "N", readCount, "end after N packets", { short: "c" }),
  note: "While anybody looks, all packets go by tunnet's own threads; the kernel path comes back " +
    "a second after the last one has ended. A slow reader misses packets, and is told how many.",
} as const;

const trace = command({
  name: "trace",
  usage: "trace [FILTER]",
  summary: "print the packets of the running node, and what became of each",
  positional: PACKETS.positional,
  flags: { count: PACKETS.count, ...RUNNING, json: json("one JSON object per packet") },
  exclusive: [ONE_RUNNING],
  options: (values, [filter = ""]) => ({ ...values, filter }),
  notes: [PACKETS.note, "Exit status 1 if the node ends first."],
  examples: [
    "sudo tunnet trace",
    "sudo tunnet trace dropped",
    "sudo tunnet trace 10.244.2.0/24,icmp --count 10",
  ],
});

const pcap = command({
  name: "pcap",
  usage: "pcap [FILTER]",
  summary: "capture the packets of the running node as pcapng, for Wireshark",
  positional: PACKETS.positional,
  flags: {
    write: single("write", "FILE|-", readText, "write there (default: standard output)", {
      short: "w",
    }),
    count: PACKETS.count,
    ...RUNNING,
  },
  exclusive: [ONE_RUNNING],
  options: ({ write = "-", ...values }, [filter = ""]) => ({ ...values, write, filter }),
  notes: [PACKETS.note, "Ctrl-C ends it, and prints how many there were."],
  examples: ["sudo tunnet pcap -w node.pcapng", "sudo tunnet pcap dropped | tshark -r -"],
});

const key = command({
  name: "key",
  usage: "key",
  summary: "make this node's private key, and print its public_key for the config",
  flags: {
    privateKeyFile: single(
      "private-key-file",
      "FILE",
      readKeyFile,
      `where the private key is or is to be (default: ${PRIVATE_KEY_FILE})`,
    ),
    show: toggle("show", "only print the public_key of the key that is there"),
  },
  options: (values) => values,
  notes: [
    "A key that is there is kept. Keys are WireGuard's: `wg genkey` and `wg pubkey` make the same.",
  ],
  examples: ["sudo tunnet key", "sudo tunnet key --show"],
});

const etcd = command({
  name: "etcd",
  usage: "etcd init|ls",
  summary: "the network's configuration in etcd, and its members",
  positional: {
    name: "ACTION",
    max: 1,
    help: "init: write the network's configuration, unless there is one; ls: list the members",
  },
  flags: {
    config: CONFIG,
    endpoints: ETCD,
    network: single("network", "CIDR", readPrefix, "init: all pods"),
    length_bits: single("subnet-length", "N", readSubnetLength, "init: of each node (default: 24)"),
    backend: single(
      "backend",
      "udp|wireguard",
      readBackend,
      "init: in the clear (udp, the default), or sealed, with a key for each node",
    ),
    port: single("port", "N", readPort, "init: UDP port of all nodes (default: 8285, or 51820)"),
    json: json(),
  },
  options: (values, [text]) => {
    const action = (["init", "ls"] as const).find((one) => one === text);
    if (action !== undefined) return { ...values, action };
    const what = text === undefined ? "etcd needs an action" : `etcd knows no ${quote(text)}`;
    return fail({ what, how: "tunnet etcd init, or tunnet etcd ls" });
  },
  notes: ["Exit status 1 if there is no network that can be used, or another one already."],
  examples: [
    "tunnet etcd init --etcd http://192.168.0.5:2379 --network 10.244.0.0/16",
    "tunnet etcd ls --etcd http://192.168.0.5:2379",
  ],
});

const init = command({
  name: "init",
  usage: "init",
  summary: "print a commented tunnet.yaml to start from",
  flags: {},
  options: (values) => values,
  examples: ["tunnet init > tunnet.yaml"],
});

const setup = command({
  name: "setup",
  usage: "setup",
  summary: "print the script that prepares a node, or files for Prometheus and Grafana",
  flags: {
    docker: toggle("docker", "Docker networks with the node's subnets, without NAT (default)"),
    netns: toggle("netns", "a bridge with the node's subnets, and a namespace as a pod"),
    systemd: toggle("systemd", "a service that runs the node with few rights"),
    grafana: toggle("grafana", "a dashboard for Grafana (JSON)"),
    alerts: toggle("alerts", "alerting rules for Prometheus"),
    scrape: toggle("scrape", "a configuration by which Prometheus scrapes the nodes"),
    wg: single("wg", "NODE", readText, "the wg-quick file by which a WireGuard joins as NODE"),
    undo: toggle("undo", "print the script that takes it back"),
    config: CONFIG,
    node: NODE,
    etcd: ETCD,
    subnetFile: SUBNET_FILE_FLAG,
  },
  exclusive: [
    ...SETUP_KINDS.flatMap((one, i) =>
      SETUP_KINDS.slice(i + 1).map((other) => [one, other, "each is a text of its own"] as const)
    ),
    ...[...FILE_KINDS, "wg" as const].map((kind) =>
      [kind, "undo", "it changes nothing on a host"] as const
    ),
    ["wg", "node", "it names the node itself"],
  ],
  options: ({ undo, config, node, etcd, subnetFile, ...kinds }) => ({
    what: SETUP_KINDS.find((kind) => kinds[kind]) ?? "docker",
    undo,
    config,
    etcd,
    subnetFile,
    node: kinds.wg ?? node,
  }),
  notes: [CONFIG_NOTE, "It changes nothing itself. A script may be run again."],
  examples: [
    "tunnet setup --docker",
    "tunnet setup --systemd --undo --node node-a",
    "tunnet setup --alerts > tunnet-alerts.yml",
    "tunnet setup --wg office > wg0.conf",
  ],
});

const doctor = command({
  name: "doctor",
  usage: "doctor",
  summary: "what on this host would stop tunnet, each with the command that fixes it",
  flags: {
    config: CONFIG,
    node: NODE,
    etcd: ETCD,
    privateKeyFile: PRIVATE_KEY_FLAG,
    json: json(),
  },
  options: (values) => values,
  notes: [
    CONFIG_NOTE,
    "It changes nothing. Where no tunnet runs, it asks the peers by hello from this node's port. " +
    "Exit status 1 if something must be fixed.",
  ],
  examples: ["sudo tunnet doctor", "sudo tunnet doctor --node node-a --json"],
});

/** Shells whose completion there is. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = typeof SHELLS[number];

const completion = command({
  name: "completion",
  usage: "completion SHELL",
  summary: "print what completes commands and flags in a shell: bash, zsh or fish",
  positional: { name: "SHELL", max: 1, help: SHELLS.join(", ") },
  flags: {},
  options: (_, [text]) => {
    const shell = SHELLS.find((one) => one === text);
    if (shell !== undefined) return { shell };
    const what = text === undefined
      ? "completion needs a shell"
      : `there is no completion for ${quote(text)}`;
    return fail({ what, how: `tunnet completion ${SHELLS.join("|")}` });
  },
  examples: ["tunnet completion bash > /etc/bash_completion.d/tunnet"],
});

/** Every command, in the order of the help. `--peer` is another way to write `up`. */
export const COMMANDS = {
  up,
  check,
  route,
  status,
  reload,
  lab,
  dump,
  trace,
  pcap,
  key,
  etcd,
  init,
  setup,
  doctor,
  completion,
};

/** The name of a command. */
export type CommandName = keyof typeof COMMANDS;
export const COMMAND_NAMES = Object.keys(COMMANDS) as readonly CommandName[];

/** The options of each command. */
export type Options = {
  readonly [N in CommandName]: typeof COMMANDS[N] extends CommandSpec<infer O> ? O : never;
};

/** A command and its options; of all of them, or of those named. */
export type CommandOf<N extends CommandName = CommandName> = {
  readonly [K in N]: { readonly kind: K; readonly options: Options[K] };
}[N];
