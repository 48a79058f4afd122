/** Commands and their flags: defined once, for the parser and the help alike. Data only. */

import { CAPTURE_FILES_DEFAULT } from "../../base/limits.ts";

/** A flag of one or more commands. */
export interface Flag {
  /** Long name without dashes. */
  readonly name: string;
  /** One-letter name. */
  readonly short?: string;
  /** What its value is called in the help; a flag without is a switch. */
  readonly value?: string;
  /** May be given more than once. */
  readonly repeatable?: true;
  /** Its value may be left out. */
  readonly optional?: true;
  readonly help: string;
}

/** A command. */
export interface CommandSpec {
  readonly name: CommandName;
  /** What follows `tunnet` in the usage line. */
  readonly usage: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Positional arguments: name in the help, and how many at most. */
  readonly positional?: { readonly name: string; readonly max: number; readonly help: string };
  readonly flags: readonly Flag[];
  /** Lines after the flags. */
  readonly notes?: readonly string[];
  /** Command lines to try. */
  readonly examples: readonly string[];
}

/** Names of the commands. `--peer` is another way to write `up`. */
export const COMMAND_NAMES = [
  "up",
  "check",
  "route",
  "status",
  "reload",
  "lab",
  "dump",
  "init",
  "setup",
  "doctor",
] as const;
/** One of COMMAND_NAMES. */
export type CommandName = typeof COMMAND_NAMES[number];

const CONFIG: Flag = { name: "config", short: "c", value: "FILE", help: "the config to read" };
const NODE: Flag = {
  name: "node",
  value: "NAME",
  help: "which node of the config this is (default: the one whose address is local)",
};
const PEER: Flag = {
  name: "peer",
  value: "SPEC",
  repeatable: true,
  help: "an inline peer, CIDR[,CIDR...]=HOST[:PORT]; with one, no config is read",
};
const HELP: Flag = { name: "help", short: "h", help: "show this help" };

/** What `dump` and `up` say of captures. */
const PCAP_FLAGS: readonly Flag[] = [
  { name: "pcap", value: "FILE|-", help: "write a pcapng capture, for Wireshark; - is stdout" },
  { name: "pcap-size", value: "SIZE", help: "begin a new file at this size, such as 100M" },
  {
    name: "pcap-files",
    value: "N",
    help: `files kept with --pcap-size (default: ${CAPTURE_FILES_DEFAULT})`,
  },
];

const json = (help: string): Flag => ({ name: "json", help });

const CONFIG_NOTE = "Without -c, the config is $TUNNET_CONFIG, ./tunnet.yaml, " +
  "/etc/tunnet/tunnet.yaml, or the one in the executable.";

/** Every command with its flags, in the order of the help. */
export const COMMANDS: Readonly<Record<CommandName, CommandSpec>> = {
  up: {
    name: "up",
    usage: "--peer [SPEC ...]",
    summary: "run this node in the foreground (`tunnet up` is the same)",
    positional: {
      name: "SPEC",
      max: Infinity,
      help: "an inline peer, CIDR[,CIDR...]=HOST[:PORT]; without any, peers come from the config",
    },
    flags: [
      CONFIG,
      NODE,
      PEER,
      {
        name: "local",
        value: "CIDR[,CIDR]",
        repeatable: true,
        help: "this node's own pod subnets (with inline peers)",
      },
      { name: "listen", value: "HOST[:PORT]", help: "bind here instead of the node's address" },
      { name: "device", value: "NAME", help: "name of the tun or tap device" },
      { name: "mode", value: "tun|tap", help: "carry IP packets (tun), or Ethernet frames (tap)" },
      { name: "mtu", value: "N|auto", help: "MTU of that device" },
      { name: "port", value: "N", help: "UDP port of nodes that name none" },
      {
        name: "engine",
        value: "ENGINE",
        help: "auto (default), batch or datagram; `,-FEATURE` leaves a kernel feature out, " +
          "`,lanes=N` sets the number of lanes",
      },
      {
        name: "http",
        value: "HOST[:PORT]",
        help: "serve a status page, /metrics, /status.json and /healthz over HTTP",
      },
      { name: "status-socket", value: "PATH", help: "put the status socket there" },
      { name: "watch-config", help: "read the config again whenever its file changes" },
      {
        name: "trace",
        value: "[FILTER]",
        optional: true,
        help:
          "print each packet and what became of it: all, or those of some addresses, subnets, " +
          "protocols, peers and drop reasons, with commas between them",
      },
      ...PCAP_FLAGS,
      { name: "no-sysctl", help: "leave ip_forward as it is" },
      { name: "log-level", value: "LEVEL", help: "error, warn, info (default) or debug" },
      json("logs as JSON lines"),
      HELP,
    ],
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
      "sudo tunnet --peer 172.2.0.0/16=192.168.0.7 --local 172.1.0.0/16",
      "sudo tunnet --peer --mode tap 192.168.0.7 --listen 192.168.0.8",
    ],
  },
  check: {
    name: "check",
    usage: "check",
    summary: "check the config and print its nodes",
    flags: [CONFIG, { ...NODE, help: "mark this node in the table" }, json("print JSON"), HELP],
    notes: [CONFIG_NOTE],
    examples: ["tunnet check", "tunnet check -c lab.yaml --json"],
  },
  route: {
    name: "route",
    usage: "route ADDRESS",
    summary: "which node gets packets to this address, and why",
    positional: { name: "ADDRESS", max: 1, help: "an IPv4 or IPv6 address" },
    flags: [
      CONFIG,
      { ...NODE, help: "seen from this node of the config" },
      PEER,
      json("print JSON"),
      HELP,
    ],
    notes: [CONFIG_NOTE, "Exit status 1 if no node gets them."],
    examples: ["tunnet route 172.2.0.9", "tunnet route 172.2.0.9 --peer=172.2.0.0/16=192.168.0.7"],
  },
  status: {
    name: "status",
    usage: "status",
    summary: "live state of the running node: peers, rates, drops",
    flags: [
      { name: "watch", short: "w", help: "show it again every second, with sparklines" },
      { name: "device", value: "NAME", help: "of the node with this device, if several run here" },
      { name: "socket", value: "PATH", help: "of the node with this status socket" },
      json("print JSON; with --watch, one line a second"),
      HELP,
    ],
    notes: ["Exit status 1 if no node runs here."],
    examples: ["tunnet status", "tunnet status --watch", "tunnet status --json"],
  },
  reload: {
    name: "reload",
    usage: "reload",
    summary: "have the running node read its config again, and say what came of it",
    flags: [
      { name: "device", value: "NAME", help: "of the node with this device, if several run here" },
      { name: "socket", value: "PATH", help: "of the node with this status socket" },
      json("print JSON"),
      HELP,
    ],
    notes: [
      "Exit status 0 if the config was taken over; if it was not, nothing has changed. SIGHUP does " +
      "the same without telling.",
    ],
    examples: ["sudo tunnet reload", "sudo tunnet reload --device tunnet1"],
  },
  lab: {
    name: "lab",
    usage: "lab",
    summary: "try it all in network namespaces on this machine",
    flags: [
      { name: "nodes", value: "N", help: "how many nodes, 2 (default) to 16" },
      { ...CONFIG, help: "build the nodes of this config instead" },
      { name: "ipv6", help: "IPv6 pods as well" },
      { name: "underlay6", help: "nodes reach each other over IPv6" },
      { name: "mode", value: "tun|tap", help: "with tap, all pods are in one subnet" },
      { name: "docker", help: "Docker hosts: an Engine on each node, containers as pods" },
      { name: "keep", help: "leave it standing, and print how to enter it" },
      { name: "down", help: "remove what --keep left" },
      json("print JSON"),
      HELP,
    ],
    notes: ["Needs root and iproute2. Everything is removed at the end, Ctrl-C included."],
    examples: [
      "sudo tunnet lab",
      "sudo tunnet lab --nodes 5 --keep",
      "sudo tunnet lab --docker",
      "sudo tunnet lab --down",
    ],
  },
  dump: {
    name: "dump",
    usage: "dump DEVICE",
    summary: "print what arrives on a tun or tap device",
    positional: { name: "DEVICE", max: 1, help: "a device: made, or taken over if it stands" },
    flags: [
      { name: "mode", value: "tun|tap", help: "IP packets (tun, default) or Ethernet frames" },
      {
        name: "address",
        value: "CIDR",
        repeatable: true,
        help: "an address to give to the device, such as 192.168.1.1/24",
      },
      { name: "count", value: "N", help: "end after N packets" },
      ...PCAP_FLAGS,
      json("one JSON object per packet"),
      HELP,
    ],
    notes: [
      "The device is switched on, and left as it was found. Nothing answers on it: " +
      "what the kernel sends there is shown and goes no further.",
      "Ctrl-C or SIGTERM ends it; a summary follows on standard error.",
    ],
    examples: [
      "sudo tunnet dump tun0 --address 192.168.1.1/24",
      "sudo tunnet dump tap0 --mode tap --count 10",
      "sudo tunnet dump tun0 --pcap - | tshark -r -",
    ],
  },
  init: {
    name: "init",
    usage: "init",
    summary: "print a commented tunnet.yaml to start from",
    flags: [HELP],
    examples: ["tunnet init > tunnet.yaml"],
  },
  setup: {
    name: "setup",
    usage: "setup",
    summary: "print the shell script that prepares a node, to read and run as root",
    flags: [
      { name: "docker", help: "Docker networks with the node's subnets, without NAT (default)" },
      { name: "netns", help: "a bridge with the node's subnets, and a namespace as a pod" },
      { name: "systemd", help: "a service that runs the node with few rights" },
      { name: "undo", help: "print the script that takes it back" },
      CONFIG,
      NODE,
      HELP,
    ],
    notes: [CONFIG_NOTE, "It changes nothing itself. A script may be run again."],
    examples: ["tunnet setup --docker", "tunnet setup --systemd --undo --node node-a"],
  },
  doctor: {
    name: "doctor",
    usage: "doctor",
    summary: "what on this host would stop tunnet, each with the command that mends it",
    flags: [CONFIG, NODE, json("print JSON"), HELP],
    notes: [
      CONFIG_NOTE,
      "It changes nothing. Where no tunnet runs, it asks the peers by hello from this node's port. " +
      "Exit status 1 if something must be mended.",
    ],
    examples: ["sudo tunnet doctor", "sudo tunnet doctor --node node-a --json"],
  },
};
