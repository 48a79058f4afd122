/** `tunnet setup --netns`: a bridge with the node's subnets, and one pod behind it. Pure. */

import { UsageError } from "../../base/errors.ts";
import { hasHostRoom, hostAddress } from "../../net/prefix.ts";
import {
  bridgeName,
  bridgeRuleLines,
  firewallLines,
  FORWARDING_STAYS,
  forwardingLines,
  keepCommand,
  LEFT_ALONE,
  NEEDS_ROOT,
  podVersions,
  scriptHead,
  type SetupInput,
  shellWord,
} from "./script.ts";
import { partOf, tapBridge, tapNetwork } from "./tap.ts";

/** The pod's namespace, and the host's end of its cable. */
const POD = "tunnet-pod";
/** The pod's end, until it is in there. */
const POD_END = "tunnet-eth0";

/**
 * An interface of these scripts bears a number of ours from its making on (ip-link(8), group): what
 * others have made, of whatever name, is theirs.
 */
const OURS = `
# ours DEVICE: whether this script has made it, by its group.
group=29813
ours() {
  ip link show dev "$1" 2>/dev/null | grep -Eq " group $group( |\$)"
}
`;

const NEEDS_IP =
  "command -v ip >/dev/null || fail 'there is no ip on this host; try: apt-get install iproute2'\n";

const ABSENT = `
# absent DEVICE: ends if somebody else has made it.
absent() {
  ! ip link show dev "$1" >/dev/null 2>&1 ||
    fail "there is a device $1 that this script has not made; try: ip link del $1, or another name for it"
}
`;

/** A pod behind a bridge, without an address yet. */
function podLines(bridge: string): string {
  return `# The pod: a namespace at the other end of a cable, which comes first: it tells whose the other is.
if ! ours ${POD}; then
  absent ${POD}
  [ ! -e /run/netns/${POD} ] ||
    fail 'there is a namespace ${POD} that this script has not made; try: ip netns del ${POD}'
  ip link add name ${POD} group "$group" type veth peer name ${POD_END}
fi
[ -e /run/netns/${POD} ] || ip netns add ${POD}
! ip link show dev ${POD_END} >/dev/null 2>&1 ||
  ip link set dev ${POD_END} netns ${POD} name eth0
ip link set dev ${POD} master ${bridge} up
ip -n ${POD} link set dev lo up
ip -n ${POD} link set dev eth0 up
`;
}

const POD_UNDO = `
# The pod's end of the cable goes with its namespace, and takes the host's end along.
if ours ${POD}; then
  [ ! -e /run/netns/${POD} ] || ip netns del ${POD}
  ip link del dev ${POD} 2>/dev/null || :
elif [ -e /run/netns/${POD} ]; then
  left_alone 'the namespace ${POD}'
fi
`;

/** Mode tap: the bridge that the device becomes a port of, and one station behind it. */
function tapScript(input: SetupInput): string {
  const { loaded: { config }, self, undo } = input;
  const bridge = shellWord(tapBridge(config));
  if (undo) {
    return scriptHead(input, "netns", [`Takes back what prepared the node ${self.name}.`]) +
      NEEDS_ROOT + OURS + LEFT_ALONE + POD_UNDO + `# A bridge that was there before stays.
if ours ${bridge}; then
  ip link del dev ${bridge}
fi

` + bridgeRuleLines(input, bridge);
  }
  const parts = ([4, 6] as const).flatMap((version) => {
    const network = tapNetwork(config, version);
    return network ? [{ network, part: partOf(config, self, network) }] : [];
  });
  const addresses = parts.map(({ network, part }) =>
    `ip -n ${POD} address replace ${hostAddress(part, 2)}/${network.length_bits} dev eth0` +
    (network.version === 6 ? " nodad\n" : "\n")
  );
  return scriptHead(input, "netns", [
    `Prepares the node ${self.name} for tunnet: a bridge for its device, and a pod to try it with.`,
    "All of it ends with a reboot. To keep it, have the service run this script at each start:",
    `  ${keepCommand(input, "netns")}`,
    `Enter the pod: ip netns exec ${POD} sh`,
    ...(parts.length > 0 ? [] : ["The config names no network: its address is yours to choose."]),
  ]) + NEEDS_ROOT + NEEDS_IP + OURS + ABSENT + `
# The bridge: tunnet makes its device a port of it. Tunnet has no spanning tree of its own.
ip link show dev ${bridge} >/dev/null 2>&1 ||
  ip link add name ${bridge} group "$group" type bridge
ip link set dev ${bridge} up

` + podLines(bridge) + addresses.join("") + `
# A firewall may drop what passes a bridge.
` + bridgeRuleLines(input, bridge);
}

/** The script. Throws UsageError for a node without a subnet that has room for a pod. */
export function netnsScript(input: SetupInput): string {
  const { loaded: { config }, self, undo } = input;
  if (config.mode === "tap") return tapScript(input);
  const subnets = self.subnets.filter(hasHostRoom);
  if (subnets.length === 0) {
    throw new UsageError({
      what: `${self.name} has no subnet with room for a pod`,
      how: "subnets: [172.1.0.0/16], or the like",
    });
  }
  const bridge = bridgeName(0);
  const device = `device=${shellWord(config.device)}\n`;
  if (undo) {
    return scriptHead(input, "netns", [`Takes back what prepared the node ${self.name}.`]) +
      device + "\n" + NEEDS_ROOT + OURS + LEFT_ALONE + POD_UNDO + `if ours ${bridge}; then
  ip link del dev ${bridge}
elif ip link show dev ${bridge} >/dev/null 2>&1; then
  left_alone 'the device ${bridge}'
fi

` + firewallLines(input, [bridge]) + "\n" + FORWARDING_STAYS;
  }
  const gateways = podVersions(self).map((version) => {
    const first = subnets.find((subnet) => subnet.version === version);
    return first
      ? `ip -n ${POD} -${version} route replace default via ${hostAddress(first, 1)}\n`
      : "";
  });
  // An IPv6 address is of use at once: nobody else on this bridge can have it.
  const address = (host: number) =>
    subnets.map((subnet) =>
      `${hostAddress(subnet, host)}/${subnet.length_bits} dev ${host === 1 ? bridge : "eth0"}` +
      (subnet.version === 6 ? " nodad" : "")
    );
  return scriptHead(input, "netns", [
    `Prepares the node ${self.name} for tunnet: a bridge with its subnets, and a pod to try it with.`,
    "All of it ends with a reboot. To keep it, have the service run this script at each start:",
    `  ${keepCommand(input, "netns")}`,
    `Enter the pod: ip netns exec ${POD} sh`,
  ]) + device + "\n" + NEEDS_ROOT + NEEDS_IP + OURS + ABSENT + "\n" +
    forwardingLines(self) + `
# The pods' bridge; its addresses are their gateways.
if ! ours ${bridge}; then
  absent ${bridge}
  ip link add name ${bridge} group "$group" type bridge
fi
# No pod is a router for this host, nor has it a way to another node by one.
[ ! -e /proc/sys/net/ipv6/conf/${bridge}/accept_ra ] || echo 0 >/proc/sys/net/ipv6/conf/${bridge}/accept_ra
${address(1).map((words) => `ip address replace ${words}\n`).join("")}ip link set dev ${bridge} up

${podLines(bridge)}${
    address(2).map((words) => `ip -n ${POD} address replace ${words}\n`).join("")
  }${gateways.join("")}
# A firewall may drop what it does not know, such as packets from the tunnel's device.
` + firewallLines(input, [bridge]);
}
