/** Gets a subnet for this node: the one that is asked for, or that it had, or a free one. */

import { ETCD_CLAIMS_MAX } from "../../../base/limits.ts";
import { formatAddress, formatPrefix, type Prefix } from "../../../net/prefix.ts";
import type { Etcd } from "./client.ts";
import { EtcdError } from "./errors.ts";
import type { HeldLease } from "./lease.ts";
import type { Entry, Members } from "./members.ts";
import { isOfNetwork, pickSubnet } from "./network.ts";
import { formatRecord, keyEnd, parseKeyEnd, readRecord } from "./records.ts";

/** What decides which subnet it is. */
export interface ClaimOptions {
  readonly etcd: Pick<Etcd, "write" | "grant" | "revoke">;
  /** The key that the subnets are below, with a slash at its end. */
  readonly base: string;
  /** The records as they are; `refresh` reads them again. */
  readonly members: Members;
  readonly refresh: () => Promise<void>;
  readonly ttl_ms: number;
  /** No other will do. */
  readonly wanted?: Prefix | undefined;
  /** The one that this node had. */
  readonly remembered?: Prefix | undefined;
  /** From 0 to below 1. */
  readonly chance: () => number;
}

/** A subnet that was got, and the revision since when. */
export interface Claimed {
  readonly lease: HeldLease;
  readonly revision: number;
}

const refuse = (what: string, why: string, how: string): EtcdError =>
  new EtcdError("refused", { what, why, how });

/** Who has a subnet. */
function ownerText({ end, value }: Entry): string {
  const { record } = readRecord(end, value);
  return record ? formatAddress(record.address.bytes) : `the record ${end}`;
}

/** The subnet to try next. Throws an EtcdError where there is none. */
function candidate({ members, wanted, remembered, chance }: ClaimOptions): Prefix {
  const { network } = members.rules;
  const usable = (subnet: Prefix | undefined) =>
    subnet !== undefined && isOfNetwork(network, subnet) && !members.isTaken(subnet);
  if (wanted) {
    if (usable(wanted)) return wanted;
    const what = `${formatPrefix(wanted)} cannot be this node's subnet`;
    const owner = members.at(wanted);
    if (owner) {
      throw refuse(what, `in etcd, it is ${ownerText(owner)}'s`, "another --subnet, or none");
    }
    const range = `${formatPrefix(network.network)} with subnets of /${network.length_bits}`;
    const why = isOfNetwork(network, wanted)
      ? "a part of it is another node's"
      : `the network is ${range}`;
    throw refuse(what, why, "another --subnet, or none");
  }
  const own = members.own();
  const had = [own && parseKeyEnd(own.end), remembered].find(usable);
  const subnet = had ?? pickSubnet(network, (one) => members.isTaken(one), chance);
  if (subnet) return subnet;
  const what = `no subnet of ${formatPrefix(network.network)} is free`;
  throw refuse(what, `${members.size} are taken`, "tunnet etcd ls, and a wider network");
}

/**
 * Takes a subnet by a transaction that only works while nobody has it. Whoever else writes at the same
 * time is first or comes too late; then the next one is tried. Throws an EtcdError.
 */
export async function claimSubnet(options: ClaimOptions): Promise<Claimed> {
  const { etcd, base, members, refresh, ttl_ms } = options;
  const { ownAddress, ownKey } = members.rules;
  const value = formatRecord(ownAddress, ownKey);
  // Before a lease is made that nothing hangs on.
  let subnet = candidate(options);
  const id = await etcd.grant(Math.ceil(ttl_ms / 1000));
  let claimed: Claimed | undefined;
  try {
    for (let tries = 0; tries < ETCD_CLAIMS_MAX; tries++) {
      const before = members.at(subnet);
      const modified_revision = before?.modified_revision ?? 0;
      const key = base + keyEnd(subnet);
      const revision = await etcd.write({ key, value, lease: id, modified_revision });
      if (revision > 0) {
        claimed = { lease: { subnet, id, ttl_ms }, revision };
        // It was this node's own; nothing hangs on its lease any more.
        if (before && before.lease !== "0") await etcd.revoke(before.lease).catch(() => {});
        return claimed;
      }
      await refresh();
      subnet = candidate(options);
    }
  } finally {
    if (!claimed) await etcd.revoke(id).catch(() => {});
  }
  const why = `${ETCD_CLAIMS_MAX} times another node was faster`;
  throw new EtcdError("unreachable", { what: "no subnet could be taken in etcd", why });
}
