/** Bad command lines: every one of them is refused with exactly this line. */

import { parseCommand } from "../../../src/cli/parse/command_line.ts";
import { EXIT, UsageError } from "../../../src/base/errors.ts";
import { assert, assertEquals, assertThrows } from "../../assert.ts";

/** Arguments, and the line after `tunnet: error: `. */
const BAD_COMMAND_LINES: readonly (readonly [args: readonly string[], error: string])[] = [
  [["doctor", "--fix"], 'unknown flag "--fix"; try: tunnet doctor --help'],
  [["doctor", "x"], '"x" is one argument too many (doctor takes none); try: tunnet doctor --help'],
  [
    ["setup", "--docker", "--netns"],
    "--docker and --netns (each is a text of its own); try: one of the two",
  ],
  [
    ["setup", "--netns", "--systemd", "--undo"],
    "--netns and --systemd (each is a text of its own); try: one of the two",
  ],
  [
    ["setup", "docker"],
    '"docker" is one argument too many (setup takes none); try: tunnet setup --help',
  ],
  [["chek"], 'unknown command "chek" (did you mean "check"?); try: tunnet --help'],
  [["Check"], 'unknown command "Check" (did you mean "check"?); try: tunnet --help'],
  [["frobnicate"], 'unknown command "frobnicate"; try: tunnet --help'],
  [[""], 'unknown command ""; try: tunnet --help'],
  [["--"], 'unknown flag "--"; try: tunnet --help'],
  [["-"], 'unknown flag "-"; try: tunnet --help'],
  [["help", "labb"], 'there is no help on "labb" (did you mean "lab"?); try: tunnet help'],
  [["help", "engin"], 'there is no help on "engin" (did you mean "engine"?); try: tunnet help'],
  [["completion"], "completion needs a shell; try: tunnet completion bash|zsh|fish"],
  [
    ["completion", "csh"],
    'there is no completion for "csh"; try: tunnet completion bash|zsh|fish',
  ],
  [["help", "up", "x"], '"x" is one argument too many; try: tunnet help COMMAND|TOPIC'],
  [["--version", "x"], '"x" is one argument too many; try: tunnet --version'],
  [["version", "x"], '"x" is one argument too many; try: tunnet --version'],
  [["-V", "x"], '"x" is one argument too many; try: tunnet --version'],
  [["-v"], 'unknown flag "-v"; try: tunnet --version'],
  [["down"], 'unknown command "down"; try: Ctrl-C where it runs, or: sudo systemctl stop tunnet'],
  [["stop"], 'unknown command "stop"; try: Ctrl-C where it runs, or: sudo systemctl stop tunnet'],
  [["start"], 'unknown command "start"; try: sudo tunnet --peer'],
  [
    ["ping", "10.244.2.2"],
    'unknown command "ping"; try: sudo tunnet status, which shows every peer\'s round trip; or ' +
    "ping a pod",
  ],
  [["peers"], 'unknown command "peers"; try: sudo tunnet status'],
  [["ls"], 'unknown command "ls"; try: sudo tunnet status'],
  [["logs"], 'unknown command "logs"; try: journalctl -u tunnet'],
  [["constructor"], 'unknown command "constructor"; try: tunnet --help'],
  [["--vers"], 'unknown flag "--vers" (did you mean "--version"?); try: tunnet --help'],
  [["--per"], 'unknown flag "--per" (did you mean "--peer"?); try: tunnet --help'],
  [["-x"], 'unknown flag "-x"; try: tunnet --help'],
  [["--json"], '"--json" comes before the command; try: tunnet --peer --json'],
  [["-c", "t.yaml", "check"], '"-c" comes before the command; try: tunnet check -c t.yaml'],
  [["--trace"], '"--trace" comes before the command; try: tunnet --peer --trace'],
  [["--engine=batch"], '"--engine" comes before the command; try: tunnet --peer --engine=batch'],
  [["--mode", "tap"], '"--mode" comes before the command; try: tunnet --peer --mode tap'],
  [
    ["--peer", "--devise", "x"],
    'unknown flag "--devise" (did you mean "--device"?); try: tunnet up --help',
  ],
  [["up", "--mode", "bridge"], '--mode: "bridge" is not a mode; try: tun or tap'],
  [["up", "--trace", "a", "--trace=b"], "--trace is given 2 times; try: --trace [FILTER] once"],
  [
    ["up", "--trace", "--pcap", "-"],
    "--trace and --pcap - (both write to standard output); try: --pcap FILE",
  ],
  [["up", "--trace="], "--trace= has no value; try: --trace=FILTER, or --trace alone"],
  [["up", "--pcap="], "--pcap has no value; try: --pcap FILE|-"],
  [
    ["up", "--engine", "bacth"],
    '--engine: "bacth" is not an engine (did you mean "batch"?); try: auto, batch or datagram; ' +
    "batch,-uso,-gro leaves features out, lanes=N sets the lanes",
  ],
  [
    ["up", "--engine", "auto,-usu"],
    '--engine: "-usu" is not a feature to leave out (did you mean "-uso"?); try: auto, batch or ' +
    "datagram; batch,-uso,-gro leaves features out, lanes=N sets the lanes",
  ],
  [
    ["up", "--engine", "datagram,-gro"],
    '--engine: "-gro" has no effect (the engine datagram uses no feature of the kernel); try: ' +
    "datagram",
  ],
  [["up", "--http"], "--http has no value; try: --http [HOST:]PORT"],
  [
    ["up", "--http", "http://x/"],
    '--http: "http://x/" is not an address (a URL, not a host); try: 127.0.0.1:9309',
  ],
  [
    ["up", "--http", "127.0.0.1:0"],
    '--http: "127.0.0.1:0" is not an address (its port "0" is wrong: out of range); ' +
    "try: 127.0.0.1:9309",
  ],
  [["up", "--status-socket="], "--status-socket has no value; try: --status-socket PATH"],
  [["status", "x"], '"x" is one argument too many (status takes none); try: tunnet status --help'],
  [
    ["status", "--device", "a b"],
    '--device: "a b" is not a device name (it holds a space); try: a short name such as tunnet0',
  ],
  [
    ["status", "--device", "a", "--socket", "/s"],
    "--device and --socket (each names the node to ask); try: one of the two",
  ],
  [["reload", "x"], '"x" is one argument too many (reload takes none); try: tunnet reload --help'],
  [
    ["reload", "--device", "a", "--socket", "/s"],
    "--device and --socket (each names the node to ask); try: one of the two",
  ],
  [
    ["status", "--wach"],
    'unknown flag "--wach" (did you mean "--watch"?); try: tunnet status --help',
  ],
  [["up", "--keep"], 'unknown flag "--keep"; try: tunnet up --help'],
  [["up", "-x"], 'unknown flag "-x"; try: tunnet up --help'],
  [["up", "-cfoo.yaml"], 'unknown flag "-cfoo.yaml"; try: tunnet up --help'],
  [["up", "--no-json"], 'unknown flag "--no-json"; try: tunnet up --help'],
  [["up", "--Json"], 'unknown flag "--Json" (did you mean "--json"?); try: tunnet up --help'],
  [["up", "--config"], "--config has no value; try: --config FILE"],
  [["up", "-c"], "--config has no value; try: --config FILE"],
  [["up", "--config="], "--config has no value; try: --config FILE"],
  [["up", "-c", "a", "-c", "b"], "--config is given 2 times; try: --config FILE once"],
  [["up", "--port"], "--port has no value; try: --port N"],
  [
    ["up", "--port", "0"],
    '--port: "0" is not a port (out of range); try: a number from 1 to 65535',
  ],
  [
    ["up", "--port", "70000"],
    '--port: "70000" is not a port (out of range); try: a number from 1 to 65535',
  ],
  [
    ["up", "--port=22:22"],
    '--port: "22:22" is not a port (not a number); try: a number from 1 to 65535',
  ],
  [["up", "--port=-1"], '--port: "-1" is not a port (not a number); try: a number from 1 to 65535'],
  [["up", "--port", "-1"], 'unknown flag "-1"; try: tunnet up --help'],
  [
    ["up", "--port", "1e3"],
    '--port: "1e3" is not a port (not a number); try: a number from 1 to 65535',
  ],
  [
    ["up", "--mtu", "67"],
    '--mtu: "67" is not an MTU (out of range); try: auto, or a number from 68 to 65535',
  ],
  [
    ["up", "--mtu=9000x"],
    '--mtu: "9000x" is not an MTU (not a number); try: auto, or a number from 68 to 65535',
  ],
  [
    ["up", "--mtu", "Auto"],
    '--mtu: "Auto" is not an MTU (not a number); try: auto, or a number from 68 to 65535',
  ],
  [
    ["up", "--device", "a/b"],
    '--device: "a/b" is not a device name (it holds "/"); try: a short name such as tunnet0',
  ],
  [
    ["up", "--device", "tunnet0123456789"],
    '--device: "tunnet0123456789" is not a device name (16 bytes, at most 15); try: a short name such as tunnet0',
  ],
  [["up", "--device="], "--device has no value; try: --device NAME"],
  [
    ["up", "--log-level", "warning"],
    '--log-level: "warning" is not a log level (did you mean "warn"?); try: error, warn, info, debug',
  ],
  [
    ["up", "--hello-interval", "5"],
    '--hello-interval: "5" is not a time (not a number with ms or s behind it); try: 5s, or from 100ms to 60s',
  ],
  [
    ["up", "--hello-interval", "99ms"],
    '--hello-interval: "99ms" is not a time (out of range); try: 5s, or from 100ms to 60s',
  ],
  [
    ["up", "--hello-interval", "61s"],
    '--hello-interval: "61s" is not a time (out of range); try: 5s, or from 100ms to 60s',
  ],
  [
    ["up", "--log-level", "loud"],
    '--log-level: "loud" is not a log level; try: error, warn, info, debug',
  ],
  [
    ["up", "--listen", "1.2.3"],
    '--listen: "1.2.3" is not an address (3 octets, not 4); try: an IP address or a host name, with :PORT if need be',
  ],
  [
    ["up", "--listen", "[::"],
    '--listen: "[::" is not an address (brackets go around an IPv6 address: [ADDRESS]:PORT); try: an IP address or a host name, with :PORT if need be',
  ],
  [
    ["up", "--listen=10.0.0.1:0"],
    '--listen: "10.0.0.1:0" is not an address (its port "0" is wrong: out of range); try: a number from 1 to 65535',
  ],
  [["up", "--json=yes"], "--json takes no value; try: --json"],
  [["up", "--json", "false"], "--json takes no value; try: --json"],
  [["up", "--no-sysctl=1"], "--no-sysctl takes no value; try: --no-sysctl"],
  [["up", "--peer="], "--peer= has no value; try: --peer=CIDR=HOST, or --peer alone"],
  [["up", "--help=1"], "--help takes no value; try: --help"],
  [
    ["check", "x", "y"],
    '"y" is one argument too many (check takes 1); try: tunnet check --help',
  ],
  [["check", "x", "-c", "y"], "-c and a FILE (each names the config); try: one of the two"],
  [["check", "--peer=172.2.0.0/16=10.0.0.2"], 'unknown flag "--peer"; try: tunnet check --help'],
  [["check", "--josn"], 'unknown flag "--josn" (did you mean "--json"?); try: tunnet check --help'],
  [["check", "--node"], "--node has no value; try: --node NAME"],
  [["route"], "route needs an address; try: tunnet route ADDRESS"],
  ...["1.2.3", "172.2.0.0/33", "a b", ""].map((text) =>
    [
      ["route", text],
      `${JSON.stringify(text)} is neither an IP address nor a subnet nor a node's name; ` +
      "try: tunnet route ADDRESS",
    ] as const
  ),
  [
    ["route", "1.1.1.1", "2.2.2.2"],
    '"2.2.2.2" is one argument too many (route takes 1); try: tunnet route --help',
  ],
  [["route", "1.1.1.1", "--peer"], "--peer has no value; try: --peer SPEC"],
  [
    ["route", "1.1.1.1", "--local", "172.1.0.0/16"],
    'unknown flag "--local"; try: tunnet route --help',
  ],
  [["lab", "--nodes", "1"], '--nodes: "1" is not a number of nodes; try: a number from 2 to 16'],
  [["lab", "--nodes", "17"], '--nodes: "17" is not a number of nodes; try: a number from 2 to 16'],
  [
    ["lab", "--nodes=three"],
    '--nodes: "three" is not a number of nodes; try: a number from 2 to 16',
  ],
  [["lab", "--nodes"], "--nodes has no value; try: --nodes N"],
  [
    ["lab", "--keep", "--down"],
    "--keep and --down (--down removes a kept lab); try: one of the two",
  ],
  [
    ["lab", "--nodes=3", "--config", "t.yaml"],
    "--nodes and --config (the config describes the nodes); try: one of the two",
  ],
  [
    ["lab", "--down", "--nodes=3"],
    "--nodes and --down (--down removes a kept lab); try: one of the two",
  ],
  [
    ["lab", "--ipv6", "-c", "t.yaml"],
    "--ipv6 and --config (the config describes the nodes); try: one of the two",
  ],
  [
    ["lab", "--docker", "--keep"],
    "--keep and --docker (Docker Engines do not outlive the lab); try: one of the two",
  ],
  [
    ["lab", "--docker", "--mode", "tun"],
    "--mode and --docker (containers are in a subnet for each node); try: one of the two",
  ],
  [
    ["lab", "--docker", "--down"],
    "--docker and --down (--down removes a kept lab); try: one of the two",
  ],
  [["lab", "3"], '"3" is one argument too many (lab takes none); try: tunnet lab --help'],
  [["lab", "--kep"], 'unknown flag "--kep" (did you mean "--keep"?); try: tunnet lab --help'],
  [["lab", "--node=3"], 'unknown flag "--node" (did you mean "--nodes"?); try: tunnet lab --help'],
  [["dump"], "dump needs a device; try: tunnet dump DEVICE"],
  [
    ["dump", "a", "b"],
    '"b" is one argument too many (dump takes 1); try: tunnet dump --help',
  ],
  [
    ["dump", "a/b"],
    '"a/b" is not a device name (it holds "/"); try: a short name such as tunnet0',
  ],
  [["dump", "tun0", "--mode", "Tap"], '--mode: "Tap" is not a mode; try: tun or tap'],
  [["dump", "tun0", "--count=0"], '--count: "0" is not a number of packets; try: 1 or more'],
  [["dump", "tun0", "--count", "1e3"], '--count: "1e3" is not a number of packets; try: 1 or more'],
  [
    ["dump", "tun0", "--address", "192.168.1.1"],
    '--address: "192.168.1.1" is not an address with its length; try: ADDRESS/LENGTH such as 192.168.1.1/24 or fd00::1/64',
  ],
  [
    ["dump", "tun0", "--address=192.168.1.1/33"],
    '--address: "192.168.1.1/33" is not an address with its length; try: ADDRESS/LENGTH such as 192.168.1.1/24 or fd00::1/64',
  ],
  [["dump", "tun0", "--pcap"], "--pcap has no value; try: --pcap FILE|-"],
  [["dump", "tun0", "--pcap-size=1M"], "--pcap-size without a capture; try: --pcap FILE"],
  [["dump", "tun0", "--pcap-files=2"], "--pcap-files without a capture; try: --pcap FILE"],
  [
    ["dump", "tun0", "--pcap=a", "--pcap-files=2"],
    "--pcap-files without a size to begin a new one at; try: --pcap-size SIZE",
  ],
  [
    ["dump", "tun0", "--pcap=-", "--pcap-size=1M"],
    "--pcap-size: standard output is one stream; try: --pcap FILE",
  ],
  [
    ["dump", "tun0", "--pcap=a", "--pcap-size=100K"],
    '--pcap-size: "100K" is not a size of a capture file (below 256K); try: a number with K, M or G, such as 100M',
  ],
  [
    ["dump", "tun0", "--pcap=a", "--pcap-size=1T"],
    '--pcap-size: "1T" is not a size of a capture file; try: a number with K, M or G, such as 100M',
  ],
  [
    ["dump", "tun0", "--pcap=a", "--pcap-size=1M", "--pcap-files=1001"],
    '--pcap-files: "1001" is not a number of files; try: a number from 1 to 1000',
  ],
  [
    ["dump", "tun0", "--pcap=-", "--json"],
    "--json and --pcap - (both write to standard output); try: --pcap FILE",
  ],
  [["init", "x"], '"x" is one argument too many (init takes none); try: tunnet init --help'],
  [["init", "--json"], 'unknown flag "--json"; try: tunnet init --help'],
  [["up", "--__proto__=1"], 'unknown flag "--__proto__"; try: tunnet up --help'],
  [["up", "--constructor", "x"], 'unknown flag "--constructor"; try: tunnet up --help'],
  [["up", "--_=x"], 'unknown flag "--_"; try: tunnet up --help'],
  [["up", "-c_"], 'unknown flag "-c_"; try: tunnet up --help'],
  [["up", "-hc"], 'unknown flag "-hc"; try: tunnet up --help'],
  [["up", "--a.b=c"], 'unknown flag "--a.b"; try: tunnet up --help'],
];

for (const [args, line] of BAD_COMMAND_LINES) {
  Deno.test(`bad command line: tunnet ${args.join(" ")}`, () => {
    const error = assertThrows(() => parseCommand(args), UsageError);
    assertEquals(error.message, line);
    assertEquals(error.exitCode, EXIT.usage);
    assert(!error.message.includes("\n"));
  });
}
