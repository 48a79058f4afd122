/**
 * `tunnet setup --docker`: Docker networks with the node's subnets, without NAT between pods and
 * with NAT to everywhere else. Pure.
 */

import type { Config, NodeConfig } from "../../config/types.ts";
import { UsageError } from "../../base/errors.ts";
import { formatPrefix, hasHostRoom, hostAddress, type Prefix } from "../../net/prefix.ts";
import {
  bridgeName,
  bridgeRuleLines,
  firewallLines,
  FORWARDING_STAYS,
  forwardingLines,
  keepCommand,
  LEFT_ALONE,
  NEEDS_ROOT,
  scriptHead,
  type SetupInput,
  shellWord,
} from "./script.ts";
import { partOf, tapBridge, tapNetwork } from "./tap.ts";

/** One Docker network: it takes one subnet of each IP version. */
export interface DockerNetwork {
  readonly name: string;
  readonly bridge: string;
  readonly subnets: readonly Prefix[];
  /** What Docker gives addresses from, where that is not the whole subnet; one for each subnet. */
  readonly ranges?: readonly Prefix[];
}

/**
 * Mode tap: every host has the whole network, whose other pods are behind the bridge, and gives
 * its pods addresses from a part of its own.
 */
function tapNetworks(config: Config, self: NodeConfig): readonly DockerNetwork[] {
  const subnets = ([4, 6] as const).flatMap((version) => tapNetwork(config, version) ?? []);
  if (subnets[0]?.version !== 4) {
    throw new UsageError({
      what: "the config's mode is tap, and it names no IPv4 network",
      why: "each Docker host gives its pods addresses from a part of it",
      how: "network: 10.244.0.0/16 in the config",
    });
  }
  const ranges = subnets.map((subnet) => partOf(config, self, subnet));
  return [{ name: "tunnet", bridge: tapBridge(config), subnets, ranges }];
}

/** The networks that carry a node's subnets. Throws UsageError where Docker has no way to. */
export function dockerNetworks(config: Config, self: NodeConfig): readonly DockerNetwork[] {
  if (config.mode === "tap") return tapNetworks(config, self);
  const small = self.subnets.find((subnet) => !hasHostRoom(subnet));
  if (small) {
    throw new UsageError({
      what: `${formatPrefix(small)} of ${self.name} has no room for a gateway and a pod`,
      how: "a shorter prefix",
    });
  }
  const v4 = self.subnets.filter(({ version }) => version === 4);
  const v6 = self.subnets.filter(({ version }) => version === 6);
  if (v4.length === 0 || v6.length > v4.length) {
    throw new UsageError({
      what: `${self.name} has ${v4.length} IPv4 and ${v6.length} IPv6 subnets`,
      why: "a Docker network has one IPv4 subnet and at most one IPv6 subnet beside it",
      how: "an IPv4 subnet for each, or --netns",
    });
  }
  return v4.map((subnet, i) => ({
    name: i === 0 ? "tunnet" : `tunnet${i + 1}`,
    bridge: bridgeName(i),
    subnets: [subnet, ...v6.slice(i, i + 1)],
  }));
}

/** What a network of this script bears. */
const LABEL = "tunnet=setup";

const CREATE =
  `# network NAME NAT "SUBNET[ SUBNET]" OPTION...: makes a Docker network, with Docker's own NAT or
# without, unless there is one as it should be.
network() {
  name=$1 wanted=$2 subnets=$3
  shift 3
  if docker network inspect "$name" >/dev/null 2>&1; then
    found=$(docker network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{with .IPRange}},{{.}}{{end}} {{end}}' "$name")
    nat=$(docker network inspect -f "{{index .Options \\"$masquerade\\"}}" "$name")
    if [ "\${found% }" != "$subnets" ] || [ "$nat" != "$wanted" ]; then
      fail "the Docker network $name exists already and differs \\
(subnets \${found:-none }and $masquerade=\${nat:-true}); try: docker network rm $name"
    fi
    return
  fi
  docker network create --driver bridge --label ${LABEL} --opt "$masquerade=$wanted" "$@" "$name" >/dev/null
}
`;

function createLines(network: DockerNetwork, mtu_bytes: number | "auto"): string {
  const { name, bridge, subnets, ranges } = network;
  const options = [
    ...subnets.flatMap((subnet, i) => [
      ...(subnet.version === 6 ? ["--ipv6"] : []),
      `--subnet ${formatPrefix(subnet)} --gateway ${hostAddress(ranges?.[i] ?? subnet, 1)}`,
      ...(ranges ? [`--ip-range ${formatPrefix(ranges[i]!)}`] : []),
    ]),
    `--opt com.docker.network.bridge.name=${shellWord(bridge)}`,
    // Docker 28 drops what comes from other interfaces; older ones do not know the option.
    ...(ranges ? [] : [`--opt com.docker.network.bridge.trusted_host_interfaces="$device"`]),
    ...(mtu_bytes === "auto" ? [] : [`--opt com.docker.network.driver.mtu=${mtu_bytes}`]),
  ];
  const known = subnets.map((subnet, i) =>
    [subnet, ...(ranges ? [ranges[i]!] : [])].map(formatPrefix).join(",")
  );
  const words = `network ${name} ${ranges !== undefined} '${known.join(" ")}'`;
  return [words, ...options].join(" \\\n  ") + "\n";
}

/** The script. Throws UsageError where the node's subnets do not fit Docker's networks. */
export function dockerScript(input: SetupInput): string {
  const { loaded: { config }, self, undo } = input;
  const tap = config.mode === "tap";
  const networks = dockerNetworks(config, self);
  const bridges = networks.map(({ bridge }) => bridge);
  const device = tap ? "" : `device=${shellWord(config.device)}\n`;
  const firewall = tap
    ? bridgeRuleLines(input, shellWord(bridges[0]!))
    : firewallLines(input, bridges);
  const checks = NEEDS_ROOT +
    `command -v docker >/dev/null || fail 'there is no docker on this host; try: apt-get install docker.io'
docker version >/dev/null || fail 'the Docker Engine does not answer; try: systemctl start docker'
`;
  if (undo) {
    return scriptHead(input, "docker", [`Takes back what prepared the Docker host ${self.name}.`]) +
      device + "\n" + checks + LEFT_ALONE + `
# remove NAME: removes a Docker network of this script's, if it is there.
remove() {
  docker network inspect "$1" >/dev/null 2>&1 || return 0
  label=$(docker network inspect -f '{{range $key, $value := .Labels}}{{$key}}={{$value}} {{end}}' "$1")
  case " $label" in *' ${LABEL} '*) ;; *)
    left_alone "the Docker network $1"
    return 0
    ;;
  esac
  users=$(docker network inspect -f '{{range .Containers}}{{.Name}} {{end}}' "$1")
  [ -z "$users" ] || fail "containers use the network $1; try: docker rm -f $users"
  docker network rm "$1" >/dev/null
}
${networks.map(({ name }) => `remove ${name}\n`).join("")}
` + firewall + "\n" + FORWARDING_STAYS;
  }
  const example = `docker run --rm -it --network ${networks[0]!.name} debian bash`;
  const create = CREATE +
    networks.map((network) => createLines(network, config.mtu_bytes)).join("");
  return scriptHead(input, "docker", [
    `Prepares the Docker host ${self.name} for tunnet: its containers become pods.`,
    "Docker keeps the network; forwarding and firewall rules end with a reboot. To keep them, have",
    "the service run this script at each start:",
    `  ${keepCommand(input, "docker")}`,
    `A pod is a container in that network: ${example}`,
  ]) + device + `masquerade=com.docker.network.bridge.enable_ip_masquerade\n\n` + checks +
    (tap
      ? `
# The pods' network: its bridge is the one that the tunnel's device becomes a port of. Each host
# gives its pods addresses from a part of its own. Docker's NAT takes what leaves the bridge.
` + create + `
# With br_netfilter, frames within a bridge meet the firewall, too.
`
      : "\n" + forwardingLines(self) + `
# The pods' networks. Not Docker's NAT: pods keep their own addresses towards each other.
` + create + `
# Docker drops what it does not know, such as packets from the tunnel's device.
`) +
    firewall;
}
