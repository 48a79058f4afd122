/**
 * What a test may not leave otherwise than it found it: links, addresses, routes, rules, settings,
 * firewall and packet filters of a network namespace, as text that can be compared.
 */

import { runProgram } from "../../src/base/run_program.ts";

/** How long the kernel may take to bring a link's operational state into line with its carrier. */
const SETTLED_TIMEOUT_MS = 3_000;
const POLL_MS = 20;

/** A link as `ip -j -d link` shows it. */
interface Link {
  readonly ifindex: number;
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly txqlen?: number;
  readonly operstate: string;
  readonly master?: string;
  readonly address?: string;
  readonly promiscuity?: number;
  readonly xdp?: unknown;
  readonly linkinfo?: { readonly info_kind?: string };
}

/** Settings under /proc/sys/net; not forwarding, which a start switches on and an end leaves on. */
const SETTINGS = [
  ...["rp_filter", "route_localnet", "accept_local", "src_valid_mark"]
    .map((name) => `ipv4/conf/*/${name}`),
  ...["disable_ipv6", "accept_ra"].map((name) => `ipv6/conf/*/${name}`),
];

/** Every part, after a line that separates it from the one before; links come first. */
const SCRIPT = [
  "ip -j -d link",
  "ip -o -4 addr; ip -o -6 addr",
  "ip -4 route show table all; ip -6 route",
  "ip -4 rule; ip -6 rule",
  `cd /proc/sys/net && grep -sH . ${SETTINGS.join(" ")}`,
  "nft --stateless list ruleset",
  // Programs of tcx links, which this does not show, end with the process that holds them.
  "for dev in $(ls /sys/class/net); do tc filter show dev $dev ingress; " +
  "tc filter show dev $dev egress; done",
].join("; echo ---; ");

const running = ({ operstate }: Link): boolean => operstate === "UP" || operstate === "UNKNOWN";
const isBridge = ({ linkinfo }: Link): boolean => linkinfo?.info_kind === "bridge";
const portsOf = (bridge: Link, links: readonly Link[]): readonly Link[] =>
  links.filter(({ master }) => master === bridge.ifname);

/** Whether operational states have followed carriers, and bridges their ports. */
function isSettled(links: readonly Link[]): boolean {
  return links.every((link) => {
    const up = link.flags.includes("UP");
    const carrier = up && link.flags.includes("LOWER_UP");
    const ports = isBridge(link) ? portsOf(link, links) : [];
    if (up && ports.length > 0 && carrier !== ports.some(running)) return false;
    return carrier === running(link);
  });
}

function lineOf(link: Link, links: readonly Link[]): string {
  const { ifindex, ifname, flags, mtu, txqlen, master, address, promiscuity, xdp, linkinfo } = link;
  // A bridge without ports has a carrier until it has lost its first one.
  const portless = isBridge(link) && portsOf(link, links).length === 0;
  const carrier = ["LOWER_UP", "NO-CARRIER"];
  const shown = portless ? flags.filter((flag) => !carrier.includes(flag)) : flags;
  const state = portless ? "portless" : running(link) ? "running" : "not running";
  return `${ifindex} ${ifname}: ${linkinfo?.info_kind ?? "plain"} <${
    [...shown].sort()
  }> ${state} ` +
    `mtu ${mtu} txqlen ${txqlen} master ${master} address ${address} ` +
    `promiscuity ${promiscuity} xdp ${JSON.stringify(xdp)}`;
}

/** A ruleset without what iptables makes by being asked, and never removes: chains without rules. */
function withoutEmptyChains(ruleset: string): string {
  return ruleset.replaceAll(/\tchain \S+ \{\n\t\ttype [^\n]*policy accept;\n\t\}\n\n?/g, "")
    .replaceAll(/table \S+ \S+ \{\n\}\n/g, "");
}

/** The picture of a network namespace, taken when its links are stable. */
export async function picture(namespace: string): Promise<string> {
  const deadline_ms = performance.now() + SETTLED_TIMEOUT_MS;
  for (;;) {
    const words = ["netns", "exec", namespace, "sh", "-c", SCRIPT];
    const [first, ...rest] = (await runProgram("ip", words)).stdout.split("---\n");
    const links: readonly Link[] = JSON.parse(first!);
    if (isSettled(links) || performance.now() > deadline_ms) {
      // Lifetimes count down, and duplicate address detection ends by itself.
      const text = withoutEmptyChains(rest.join("")).replaceAll(
        / (valid_lft|preferred_lft|expires) \S+/g,
        "",
      )
        .replaceAll(/ tentative\b/g, "");
      return [...links.map((link) => lineOf(link, links)), text].join("\n");
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
