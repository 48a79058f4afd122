/** `tunnet setup --wg NODE`: the file by which a WireGuard that is no tunnet joins as NODE. Pure. */

import { errorText, UsageError } from "../../base/errors.ts";
import { type LoadedConfig, NO_HOST, type NodeConfig } from "../../config/types.ts";
import {
  addressBits,
  formatEndpoint,
  formatPrefix,
  hasHostRoom,
  hostAddress,
  type Prefix,
} from "../../net/prefix.ts";
import { formatKey } from "../../wire/keys.ts";

/** What a NAT needs, by wg(8). */
const NAT_KEEPALIVE_S = 25;

const EVERYTHING = ["0.0.0.0/0", "::/0"];

/** The first address of a subnet, alone: what else it holds may be behind another interface. */
function ownAddress(subnet: Prefix): string {
  return `${hostAddress(subnet, hasHostRoom(subnet) ? 1 : 0)}/${addressBits(subnet.version)}`;
}

function peerSection(peer: NodeConfig, self: NodeConfig, isDefault: boolean): string {
  const keepalive_s = self.endpoint.host === NO_HOST
    ? NAT_KEEPALIVE_S
    : peer.keys!.keepalive_ms / 1000;
  const psk = self.keys!.presharedKeyFile;
  const allowed = [...peer.subnets.map(formatPrefix), ...(isDefault ? EVERYTHING : [])];
  return [
    "",
    "[Peer]",
    `# ${peer.name}`,
    `PublicKey = ${formatKey(peer.keys!.publicKey)}`,
    ...(psk === undefined ? [] : [`PresharedKey = WHAT ${psk} HOLDS`]),
    ...(peer.endpoint.host === NO_HOST
      ? []
      : [`Endpoint = ${formatEndpoint(peer.endpoint.host, peer.endpoint.port)}`]),
    ...(allowed.length === 0 ? [] : [`AllowedIPs = ${allowed.join(", ")}`]),
    ...(keepalive_s > 0 ? [`PersistentKeepalive = ${Math.ceil(keepalive_s)}`] : []),
    "",
  ].join("\n");
}

/**
 * A file for wg-quick(8) and the apps. Keys that nobody else may know are left to fill in. Throws a
 * UsageError where the node has no key, or the network carries frames.
 */
export function wgQuickFile({ config, source }: LoadedConfig, self: NodeConfig): string {
  if (!self.keys) {
    throw new UsageError({
      what: `--wg: ${self.name} has no public_key`,
      how: "wg genkey on that host, and what wg pubkey makes of it as its public_key",
    });
  }
  if (config.mode === "tap") {
    throw new UsageError({ what: "--wg: not in mode tap", why: "WireGuard carries no frames" });
  }
  const addresses = self.subnets.map(ownAddress);
  const peers = config.nodes.filter(({ name, keys }) => keys && name !== self.name);
  return [
    `# ${self.name}, by the config ${errorText({ what: source })}: for wg-quick, with mode 0600.`,
    ...(self.keys.wireguard
      ? []
      : ["# In the config, this node still needs `wireguard: true`: it hears no hellos."]),
    "[Interface]",
    `PrivateKey = THE PRIVATE KEY OF ${formatKey(self.keys.publicKey)}`,
    ...(addresses.length === 0 ? [] : [`Address = ${addresses.join(", ")}`]),
    ...(self.endpoint.host === NO_HOST ? [] : [`ListenPort = ${self.endpoint.port}`]),
    ...(config.mtu_bytes === "auto" ? [] : [`MTU = ${config.mtu_bytes}`]),
    "",
  ].join("\n") +
    peers.map((peer) => peerSection(peer, self, peer.name === config.defaultNode)).join("");
}
