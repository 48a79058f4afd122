/** Who looks at the packets of a device: programs such as tcpdump (packet(7)). Pure. */

/** ETH_P_ALL (linux/if_ether.h), as /proc/net/packet shows it: every protocol. */
const ALL_PROTOCOLS = "0003";

/**
 * Whether a packet socket looks at all packets of a device, or of every device.
 * `text` is /proc/net/packet: a heading, then a line for each socket with its
 * protocol in the fourth column and its device's index (0: every one) in the fifth.
 */
export function isWatched(text: string, ifindex: number): boolean {
  return text.split("\n").slice(1).some((line) => {
    const [, , , protocol, device] = line.trim().split(/\s+/);
    return protocol === ALL_PROTOCOLS && (device === String(ifindex) || device === "0");
  });
}
