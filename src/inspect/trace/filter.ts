/** What `--trace FILTER` lets through. Pure. */

import { quote, type Result } from "../../config/values.ts";
import { ETHER_TYPE_NAMES, PROTOCOL_NAMES } from "../decode/names.ts";
import type { Decoded } from "../decode/types.ts";
import { DROPS } from "../../forwarding/counters.ts";
import { TRACE_FILTER_TERMS_MAX } from "../../base/limits.ts";
import { parseAddress, parsePrefix, type Prefix, prefixContains } from "../../net/prefix.ts";
import { nearest } from "../../base/text.ts";

/** A packet as the filter sees it. */
export interface Traced {
  readonly decoded: Decoded;
  /** The peer's name, if there is one. */
  readonly peer: string | undefined;
  /** The reason of a drop. */
  readonly drop: string | undefined;
}

/** Any drop, whatever its reason. */
const ANY_DROP = "dropped";

/** Protocols that can be asked for, by the words of a line in lower case. */
const PROTOCOLS: ReadonlySet<string> = new Set(
  [...Object.values(PROTOCOL_NAMES), ...Object.values(ETHER_TYPE_NAMES)]
    .map((name) => name.toLowerCase().replaceAll(" ", "-")),
);

/**
 * Terms of four kinds: addresses or subnets, protocols, peers, drop reasons.
 * Those of one kind are alternatives; of each kind that is named, one must fit.
 */
export class TraceFilter {
  constructor(
    readonly subnets: readonly Prefix[],
    readonly protocols: ReadonlySet<string>,
    readonly peers: ReadonlySet<string>,
    readonly drops: ReadonlySet<string>,
  ) {}

  /** Whether the packet is to be shown. */
  accepts({ decoded, peer, drop }: Traced): boolean {
    if (this.peers.size > 0 && (peer === undefined || !this.peers.has(peer))) return false;
    if (!this.acceptsDrop(drop)) return false;
    if (this.protocols.size > 0 && !protocolsOf(decoded).some((one) => this.protocols.has(one))) {
      return false;
    }
    return this.subnets.length === 0 ||
      addressesOf(decoded).some((address) =>
        address && this.subnets.some((subnet) => prefixContains(subnet, address))
      );
  }

  /** Whether a drop for this reason, or a packet that was not dropped, is to be shown. */
  acceptsDrop(drop: string | undefined): boolean {
    if (this.drops.size === 0) return true;
    return drop !== undefined && (this.drops.has(drop) || this.drops.has(ANY_DROP));
  }

  /** Whether anything but drop reasons is asked for. */
  get needsPacket(): boolean {
    return this.subnets.length + this.protocols.size + this.peers.size > 0;
  }
}

/** Lets all packets through. */
export const EVERYTHING = new TraceFilter([], new Set(), new Set(), new Set());

/** The packet's protocols, outer and inner. */
function protocolsOf({ layers, protocol }: Decoded): string[] {
  return [protocol, ...layers.map(({ kind }) => kind)].map((name) =>
    name.toLowerCase().replaceAll(" ", "-")
  );
}

/** The packet's own addresses, not those that an error quotes. */
function addressesOf({ layers }: Decoded) {
  return layers.flatMap((layer) => {
    switch (layer.kind) {
      case "ipv4":
      case "ipv6":
        return [parseAddress(layer.source), parseAddress(layer.destination)];
      case "arp":
        return [parseAddress(layer.sender), parseAddress(layer.target)];
      default:
        return [];
    }
  });
}

/** Reads a filter: terms with commas between them. `peers` are the names of the other nodes. */
export function readTraceFilter(text: string, peers: readonly string[]): Result<TraceFilter> {
  const subnets: Prefix[] = [];
  const protocols = new Set<string>();
  const names = new Set<string>();
  const drops = new Set<string>();
  const terms = text.split(",").map((term) => term.trim());
  if (terms.length > TRACE_FILTER_TERMS_MAX) {
    return { problem: { what: `a filter of more than ${TRACE_FILTER_TERMS_MAX} terms` } };
  }
  for (const term of terms) {
    const address = parseAddress(term);
    const prefix = address
      ? { ...address, length_bits: 8 * address.bytes.length }
      : parsePrefix(term)?.prefix;
    const lower = term.toLowerCase();
    if (prefix) subnets.push(prefix);
    else if (PROTOCOLS.has(lower)) protocols.add(lower);
    else if (peers.includes(term)) names.add(term);
    else if (lower === ANY_DROP || (DROPS as readonly string[]).includes(lower)) drops.add(lower);
    else {
      const near = nearest(term, [...peers, ...PROTOCOLS, ...DROPS, ANY_DROP]);
      return {
        problem: {
          what: `${quote(term)} is no filter`,
          why: near && `did you mean ${quote(near)}?`,
          how: "an address, a subnet, a protocol, a peer's name, a drop reason, or dropped",
        },
      };
    }
  }
  return { value: new TraceFilter(subnets, protocols, names, drops) };
}
