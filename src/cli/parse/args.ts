/** The command line to a command. Pure: touches neither files nor the system. */

import type { ConfigOptions } from "../../config/load.ts";
import {
  quote,
  readDevice,
  readHostPort,
  readMode,
  readMtu,
  readPort,
  type Result,
} from "../../config/values.ts";
import { ENGINE_AUTO, type EngineChoice, readEngine } from "../../dataplane/lanes/features.ts";
import type { Mode } from "../../wire/mode.ts";
import { DEFAULT_HTTP_PORT, LAB_NODES_MAX, LAB_NODES_MIN } from "../../base/limits.ts";
import { LOG_LEVELS, type LogLevel } from "../../base/log.ts";
import { type Address, parseAddress } from "../../net/prefix.ts";
import { SETUP_KINDS, type SetupKind } from "../../tools/setup/script.ts";
import { nearest } from "../../base/text.ts";
import { type CaptureArgs, type DumpOptions, readCapture, readDump } from "./capture_args.ts";
import { COMMAND_NAMES, type CommandName, COMMANDS } from "./flags.ts";
import { fail, nearestFlag, type RawArgs, read, readRaw } from "./raw_args.ts";

/** Options of `up`. */
export interface UpOptions extends ConfigOptions {
  readonly specs: readonly string[];
  readonly local: readonly string[];
  readonly engine: EngineChoice;
  /** Whether the config is read again when its file changes. */
  readonly watchConfig: boolean;
  /** A filter of packets to print; empty: all of them. */
  readonly trace: string | undefined;
  readonly pcap: CaptureArgs | undefined;
  /** Whether ip_forward may be switched on. */
  readonly sysctl: boolean;
  readonly logLevel: LogLevel;
  readonly json: boolean;
  /** Path of the status socket; undefined: its usual place. */
  readonly statusSocket: string | undefined;
  /** Where the status is served over HTTP, if at all. */
  readonly http: { readonly host: string; readonly port: number } | undefined;
}

/** Options of `check`. */
export interface CheckOptions extends ConfigOptions {
  readonly json: boolean;
}

/** Options of `route`. */
export interface RouteOptions extends ConfigOptions {
  readonly address: Address;
  readonly specs: readonly string[];
  readonly json: boolean;
}

/** Options of `status`. */
export interface StatusOptions {
  readonly watch: boolean;
  readonly json: boolean;
  readonly device: string | undefined;
  readonly socket: string | undefined;
}

/** Options of `reload`. */
export interface ReloadOptions {
  readonly json: boolean;
  readonly device: string | undefined;
  readonly socket: string | undefined;
}

/** Options of `lab`. */
export interface LabOptions {
  /** Absent when a config says how many. */
  readonly nodes?: number;
  readonly config?: string;
  /** IPv6 pods. */
  readonly ipv6: boolean;
  /** IPv6 between the nodes. */
  readonly underlay6: boolean;
  /** Pods in one Ethernet (tap) instead of a subnet for each node (tun, if left out). */
  readonly mode?: Mode;
  /** Docker Engines on the nodes, containers as pods. */
  readonly docker: boolean;
  readonly keep: boolean;
  readonly down: boolean;
  readonly json: boolean;
}

/** Options of `doctor`. */
export interface DoctorOptions extends ConfigOptions {
  readonly json: boolean;
}

/** Options of `setup`. */
export interface SetupOptions extends ConfigOptions {
  readonly what: SetupKind;
  readonly undo: boolean;
}

/** What the user asked for. */
export type Command =
  | { readonly kind: "up"; readonly options: UpOptions }
  | { readonly kind: "check"; readonly options: CheckOptions }
  | { readonly kind: "route"; readonly options: RouteOptions }
  | { readonly kind: "status"; readonly options: StatusOptions }
  | { readonly kind: "reload"; readonly options: ReloadOptions }
  | { readonly kind: "lab"; readonly options: LabOptions }
  | { readonly kind: "dump"; readonly options: DumpOptions }
  | { readonly kind: "init" }
  | { readonly kind: "setup"; readonly options: SetupOptions }
  | { readonly kind: "doctor"; readonly options: DoctorOptions }
  | { readonly kind: "version" }
  /** Help of a command, or of the program; `asked` is false for a bare `tunnet`: exit status 2. */
  | { readonly kind: "help"; readonly command?: CommandName; readonly asked: boolean };

const GENERAL_HELP = "tunnet --help";

function isCommandName(word: string): word is CommandName {
  return (COMMAND_NAMES as readonly string[]).includes(word);
}

function unknownCommand(word: string): never {
  const near = nearest(word, [...COMMAND_NAMES, "help"]);
  return fail({
    what: `unknown command ${quote(word)}`,
    why: near ? `did you mean ${quote(near)}?` : undefined,
    how: GENERAL_HELP,
  });
}

function readLogLevel(text: string): Result<LogLevel> {
  const level = LOG_LEVELS.find((one) => one === text);
  if (level !== undefined) return { value: level };
  const near = nearest(text, LOG_LEVELS);
  return {
    problem: {
      what: `${quote(text)} is not a log level`,
      why: near ? `did you mean ${quote(near)}?` : undefined,
      how: LOG_LEVELS.join(", "),
    },
  };
}

function readHttp(text: string): Result<{ host: string; port: number }> {
  const result = readHostPort(text, "bind");
  if (result.problem) return { problem: { ...result.problem, how: "127.0.0.1:9309" } };
  const { host, port = DEFAULT_HTTP_PORT } = result.value;
  return { value: { host, port } };
}

function readLabNodes(text: string): Result<number> {
  const nodes = /^[1-9][0-9]{0,2}$/.test(text) ? Number(text) : 0;
  if (nodes >= LAB_NODES_MIN && nodes <= LAB_NODES_MAX) return { value: nodes };
  return {
    problem: {
      what: `${quote(text)} is not a number of nodes`,
      how: `a number from ${LAB_NODES_MIN} to ${LAB_NODES_MAX}`,
    },
  };
}

function readText(text: string): Result<string> {
  return { value: text };
}

/** The flag's values, each cut at its commas. */
function cut(raw: RawArgs, name: string): readonly string[] {
  return raw.values(name).flatMap((value) => value.split(","));
}

/** The capture of a node; lines and a capture cannot both go to standard output. */
function upCapture(raw: RawArgs): CaptureArgs | undefined {
  const capture = readCapture(raw);
  if (capture?.path === "-" && raw.value("trace") !== undefined) {
    fail({
      what: "--trace and --pcap -",
      why: "both write to standard output",
      how: "--pcap FILE",
    });
  }
  return capture;
}

function up(raw: RawArgs): Command {
  return {
    kind: "up",
    options: {
      specs: [...raw.values("peer").filter((spec) => spec !== ""), ...raw.positional],
      local: cut(raw, "local"),
      config: read(raw, "config", readText),
      node: read(raw, "node", readText),
      // Checked here, at once with its flag; bound later.
      listen: read(raw, "listen", (text) => {
        const result = readHostPort(text, "bind");
        return result.problem ? result : { value: text };
      }),
      device: read(raw, "device", readDevice),
      mode: read(raw, "mode", readMode),
      mtu_bytes: read(raw, "mtu", readMtu),
      port: read(raw, "port", readPort),
      engine: read(raw, "engine", readEngine) ?? ENGINE_AUTO,
      watchConfig: raw.has("watch-config"),
      trace: read(raw, "trace", readText),
      pcap: upCapture(raw),
      sysctl: !raw.has("no-sysctl"),
      logLevel: read(raw, "log-level", readLogLevel) ?? "info",
      json: raw.has("json"),
      statusSocket: read(raw, "status-socket", readText),
      http: read(raw, "http", readHttp),
    },
  };
}

/** `check` and `doctor` only look. */
function look(kind: "check" | "doctor", raw: RawArgs): Command {
  const options = {
    config: raw.value("config"),
    node: raw.value("node"),
    json: raw.has("json"),
  };
  return { kind, options };
}

function route(raw: RawArgs): Command {
  const text = raw.positional[0];
  const how = "tunnet route ADDRESS";
  if (text === undefined) fail({ what: "route needs an address", how });
  const address = parseAddress(text);
  if (address === undefined) fail({ what: `${quote(text)} is not an IP address`, how });
  const options = {
    address,
    specs: raw.values("peer"),
    config: raw.value("config"),
    node: raw.value("node"),
    json: raw.has("json"),
  };
  return { kind: "route", options };
}

/** Refuses two flags that contradict each other. */
function exclude(raw: RawArgs, one: string, other: string, why: string): void {
  const given = (name: string) => raw.has(name) || raw.value(name) !== undefined;
  if (given(one) && given(other)) {
    fail({ what: `--${one} and --${other}`, why, how: "one of the two" });
  }
}

function status(raw: RawArgs): Command {
  exclude(raw, "device", "socket", "each names the node to ask");
  const options = {
    watch: raw.has("watch"),
    json: raw.has("json"),
    device: read(raw, "device", readDevice),
    socket: raw.value("socket"),
  };
  return { kind: "status", options };
}

function reload(raw: RawArgs): Command {
  exclude(raw, "device", "socket", "each names the node to ask");
  const options = {
    json: raw.has("json"),
    device: read(raw, "device", readDevice),
    socket: raw.value("socket"),
  };
  return { kind: "reload", options };
}

function lab(raw: RawArgs): Command {
  const config = raw.value("config");
  const nodes = read(raw, "nodes", readLabNodes);
  const mode = read(raw, "mode", readMode);
  for (const name of ["nodes", "ipv6", "underlay6", "mode"]) {
    exclude(raw, name, "config", "the config describes the nodes");
  }
  exclude(raw, "keep", "docker", "Docker Engines do not outlive the lab");
  exclude(raw, "mode", "docker", "containers are in a subnet for each node");
  for (const name of ["keep", "nodes", "config", "ipv6", "underlay6", "mode", "docker"]) {
    exclude(raw, name, "down", "--down removes what stands");
  }
  const options = {
    ...(config === undefined ? { nodes: nodes ?? LAB_NODES_MIN } : { config }),
    ipv6: raw.has("ipv6"),
    underlay6: raw.has("underlay6"),
    ...(mode === undefined ? {} : { mode }),
    docker: raw.has("docker"),
    keep: raw.has("keep"),
    down: raw.has("down"),
    json: raw.has("json"),
  };
  return { kind: "lab", options };
}

function setup(raw: RawArgs): Command {
  const [what = "docker", other] = SETUP_KINDS.filter((kind) => raw.has(kind));
  if (other !== undefined) {
    fail({ what: `--${what} and --${other}`, why: "each is a script", how: "one of the two" });
  }
  const options = {
    what,
    undo: raw.has("undo"),
    config: raw.value("config"),
    node: raw.value("node"),
  };
  return { kind: "setup", options };
}

function parseCommandArgs(name: CommandName, args: readonly string[]): Command {
  const raw = readRaw(args, COMMANDS[name]);
  if (raw.has("help")) return { kind: "help", command: name, asked: true };
  switch (name) {
    case "up":
      return up(raw);
    case "check":
    case "doctor":
      return look(name, raw);
    case "route":
      return route(raw);
    case "status":
      return status(raw);
    case "reload":
      return reload(raw);
    case "lab":
      return lab(raw);
    case "dump":
      return { kind: "dump", options: readDump(raw) };
    case "init":
      return { kind: "init" };
    case "setup":
      return setup(raw);
  }
}

function help(args: readonly string[]): Command {
  const [topic, surplus] = args;
  if (surplus !== undefined) {
    fail({ what: `${quote(surplus)} is one argument too many`, how: "tunnet help COMMAND" });
  }
  if (topic === undefined || topic === "help" || /^(-h|--help)$/.test(topic)) {
    return { kind: "help", asked: true };
  }
  const command = topic === "--peer" ? "up" : topic;
  if (!isCommandName(command)) unknownCommand(topic);
  return { kind: "help", command, asked: true };
}

/**
 * Reads the arguments after the program's name. Throws UsageError for anything
 * that is not exactly a command with its flags.
 */
export function parseCommand(args: readonly string[]): Command {
  const [first, ...rest] = args;
  if (first === undefined) return { kind: "help", asked: false };
  if (first === "help") return help(rest);
  if (isCommandName(first)) return parseCommandArgs(first, rest);
  if (!first.startsWith("-")) unknownCommand(first);
  const end = args.indexOf("--");
  const flags = end < 0 ? args : args.slice(0, end);
  if (flags.some((arg) => arg === "--peer" || arg.startsWith("--peer="))) {
    return parseCommandArgs("up", args);
  }
  if (first === "--help" || first === "-h") return help(rest);
  if (first === "--version") {
    if (rest.length === 0) return { kind: "version" };
    fail({ what: `${quote(rest[0]!)} is one argument too many`, how: "tunnet --version" });
  }
  const name = first.replace(/=.*$/s, "");
  const ofUp = COMMANDS.up.flags.flatMap((flag) => [`--${flag.name}`, `-${flag.short}`]);
  if (ofUp.includes(name)) {
    const command = args.find(isCommandName);
    const others = args.filter((arg) => arg !== command);
    fail({
      what: `${quote(name)} stands before the command`,
      how: ["tunnet", command ?? "--peer", ...others].join(" "),
    });
  }
  const near = nearestFlag(name, ["peer", "help", "version"]);
  return fail({
    what: `unknown flag ${quote(name)}`,
    why: near ? `did you mean ${quote(near)}?` : undefined,
    how: GENERAL_HELP,
  });
}
