/** How it stands with etcd, as the status has it. Pure. */

import { formatPrefix } from "../net/prefix.ts";
import { REFUSALS } from "../peers/source/etcd/records.ts";
import type { EtcdState } from "../peers/source/etcd/source.ts";
import type { EtcdStatus } from "../status/model/types.ts";

/** The same in the words and units of the status. */
export function etcdStatus(state: EtcdState): EtcdStatus {
  const { endpoint, connected, problem, revision, subnet, held, records, refused } = state;
  return {
    endpoint,
    connected,
    problem: problem ?? null,
    revision,
    subnet: formatPrefix(subnet),
    lease_held: held,
    lease_age_seconds: state.lease_age_ms === undefined ? null : state.lease_age_ms / 1000,
    lease_ttl_seconds: state.lease_ttl_ms / 1000,
    records,
    refused: Object.fromEntries(REFUSALS.map((name) => [name, refused.get(name) ?? 0])),
  };
}
