/** What the printed scripts have in common: head, quoting, settings and firewall rules. Pure. */

import type { LoadedConfig, NodeConfig } from "../../config/types.ts";
import { errorText } from "../../base/errors.ts";
import { formatPrefix, type IpVersion } from "../../net/prefix.ts";
import { masquerades } from "./masquerade.ts";

/** The scripts that `tunnet setup` prints. */
export const SCRIPT_KINDS = ["docker", "netns", "systemd"] as const;
/** One of SCRIPT_KINDS. */
export type ScriptKind = typeof SCRIPT_KINDS[number];

/** The files for Prometheus and Grafana that it prints. */
export const FILE_KINDS = ["grafana", "alerts", "scrape"] as const;
/** One of FILE_KINDS. */
export type FileKind = typeof FILE_KINDS[number];

/** All that `tunnet setup` prints. */
export const SETUP_KINDS = [...SCRIPT_KINDS, ...FILE_KINDS, "wg"] as const;

/** A script of `tunnet setup --docker` or `--netns`, run before each start of the service. */
export const PREPARE = "/etc/tunnet/prepare.sh";

/** What a script is made from. */
export interface SetupInput {
  readonly loaded: LoadedConfig;
  readonly self: NodeConfig;
  /** Print the script that takes everything back. */
  readonly undo: boolean;
}

/** The bridges that the scripts make, numbered from the second on; at most 15 bytes. */
export function bridgeName(index: number): string {
  return index === 0 ? "tunnet-br" : `tunnet-br${index + 1}`;
}

/** A word of a shell script: bare where that is safe, else in single quotes. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_.,:/=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The words that choose this config and node again. */
function chosen({ loaded, self }: SetupInput): string {
  const named = loaded.file === undefined
    ? ""
    : ` -c ${shellWord(errorText({ what: loaded.file }))}`;
  return `${named} --node ${self.name}`;
}

/** The command that keeps what a script sets beyond a reboot: the service runs it at each start. */
export function keepCommand(input: SetupInput, kind: "docker" | "netns"): string {
  return `tunnet setup --${kind}${chosen(input)} >prepare.sh && ` +
    `sudo install -D -m 0755 prepare.sh ${PREPARE}`;
}

/** The IP versions that a node has pods of. */
export function podVersions(self: NodeConfig): readonly IpVersion[] {
  return ([4, 6] as const).filter((version) =>
    self.subnets.some((subnet) => subnet.version === version)
  );
}

/** The first lines of a script: what it does, where it comes from, and that it stops at errors. */
export function scriptHead(
  { loaded, self, undo }: SetupInput,
  kind: ScriptKind,
  does: readonly string[],
): string {
  const reverse = `tunnet setup --${kind}${undo ? "" : " --undo"}`;
  const lines = [
    ...does,
    "",
    `Printed by: tunnet setup --${kind}${undo ? " --undo" : ""} --node ${self.name}`,
    // One line, whatever the path holds.
    `from the config ${errorText({ what: loaded.source })}`,
    "Run it as root. To run it again does no harm.",
    `The reverse: ${reverse} --node ${self.name}`,
  ];
  return `#!/bin/sh
${lines.map((line) => `# ${line}`.trimEnd()).join("\n")}
set -eu

fail() {
  printf 'setup: error: %s\\n' "$1" >&2
  exit 1
}

`;
}

/** Checks of the script itself: it changes the host, which needs root. */
export const NEEDS_ROOT = `[ "$(id -u)" -eq 0 ] || fail 'this needs root; try: sudo sh'\n`;

/** Of a script that undoes: what it finds, and has not made. */
export const LEFT_ALONE = `
left_alone() {
  printf 'setup: warning: %s was not made by this script, and is left alone\\n' "$1" >&2
}
`;

/** The kernel's switch for passing packets on between interfaces, by IP version. */
const FORWARDING = { 4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding" } as const;

/** Switches forwarding on; what a reboot would forget. */
export function forwardingLines(self: NodeConfig): string {
  return "# The kernel passes packets on between the pods' bridge and the tunnel's device.\n" +
    podVersions(self).map((version) => `echo 1 >/proc/sys/${FORWARDING[version]}\n`).join("");
}

/** Said by the scripts that undo: others may rely on the setting by now. */
export const FORWARDING_STAYS = "# ip_forward stays on: other programs of this host may need it.\n";

const ADD_RULE =
  `# rule TOOL TABLE CHAIN RULE...: puts a rule first in its chain, unless it is there.
rule() {
  tool=$1 table=$2 chain=$3
  shift 3
  "$tool" -w -t "$table" -C "$chain" "$@" 2>/dev/null || "$tool" -w -t "$table" -I "$chain" "$@"
}
`;

const ADD_LAST_RULE = `
# last TOOL TABLE CHAIN RULE...: puts a rule last in its chain, unless it is there.
last() {
  tool=$1 table=$2 chain=$3
  shift 3
  "$tool" -w -t "$table" -C "$chain" "$@" 2>/dev/null || "$tool" -w -t "$table" -A "$chain" "$@"
}
`;

const REMOVE_RULE = `# rule TOOL TABLE CHAIN RULE...: removes a rule, if it is there.
rule() {
  tool=$1 table=$2 chain=$3
  shift 3
  ! "$tool" -w -t "$table" -C "$chain" "$@" 2>/dev/null || "$tool" -w -t "$table" -D "$chain" "$@"
}
`;

const TOOL = { 4: "iptables", 6: "ip6tables" } as const;

/**
 * The way out of the network: packets that leave it get this host's address, since nobody else
 * knows where pods are. The device and a node's other bridges lead to pods.
 */
function masqueradeLines(
  { loaded: { config }, self, undo }: SetupInput,
  version: IpVersion,
  bridges: readonly string[],
): string {
  const found = masquerades(config, self, version);
  const tool = TOOL[version];
  const between = bridges.length < 2
    ? []
    : found.flatMap(({ subnet }) =>
      bridges.map((bridge) =>
        `  rule ${tool} nat POSTROUTING -s ${formatPrefix(subnet)} -o ${bridge} -j ACCEPT\n`
      )
    );
  const add = undo ? "rule" : "last";
  const out = found.map(({ subnet, within }) =>
    `  ${add} ${tool} nat POSTROUTING -s ${formatPrefix(subnet)} ! -d ${formatPrefix(within)} ` +
    "-j MASQUERADE\n"
  );
  if (out.length === 0) return "";
  return "  # What leaves the network, to the Internet, does so by this host's address.\n" +
    [...between, ...out].join("");
}

function ruleLines(input: SetupInput, version: IpVersion, bridges: readonly string[]): string {
  const tool = TOOL[version];
  // A node's own bridges belong together too: Docker would keep them apart.
  const ends = ['"$device"', ...bridges];
  const rules = ends.flatMap((from) =>
    ends.filter((to) => to !== from)
      .map((to) => `  rule ${tool} filter "$forward" -i ${from} -o ${to} -j ACCEPT`)
  );
  return `if command -v ${tool} >/dev/null; then
  # Docker keeps a chain for the rules of others; it calls it before its own.
  forward=FORWARD
  if ${tool} -w -n -L DOCKER-USER >/dev/null 2>&1; then forward=DOCKER-USER; fi
${rules.join("\n")}
  # Accepted here, a packet meets no MASQUERADE further down: the other pod sees who asks.
  rule ${tool} nat POSTROUTING -o "$device" -j ACCEPT
${masqueradeLines(input, version, bridges)}fi
`;
}

/** Mode tap: with br_netfilter, which Docker loads, frames within a bridge pass FORWARD as well. */
export function bridgeRuleLines({ undo }: SetupInput, bridge: string): string {
  const lines = [TOOL[4], TOOL[6]].map((tool) =>
    `if command -v ${tool} >/dev/null; then
  rule ${tool} filter FORWARD -i ${bridge} -o ${bridge} -j ACCEPT
fi
`
  );
  return (undo ? REMOVE_RULE : ADD_RULE) + lines.join("");
}

/**
 * Firewall rules: packets pass between the bridges and the device, and keep
 * their source address within the network. Without iptables there is nothing to
 * do here: what an nftables ruleset of the host's own forbids, or lacks,
 * `tunnet doctor` names.
 */
export function firewallLines(input: SetupInput, bridges: readonly string[]): string {
  return (input.undo ? REMOVE_RULE : ADD_RULE + ADD_LAST_RULE) +
    podVersions(input.self).map((version) => ruleLines(input, version, bridges)).join("");
}
