/** etcd: reachable, willing, sound, and with a network that this node can join. Pure. */

import type { ErrorParts } from "../../../base/errors.ts";
import { ETCD_PREFIX } from "../../../base/limits.ts";
import { type Check, checksOf, type Finding } from "../check.ts";
import type { EtcdFacts, Facts } from "../facts.ts";
import { isRunning } from "../view.ts";

/** Clocks that differ by more make certificates expire early, or not be valid yet. */
const CLOCK_MAX_MS = 10_000;

/** etcd takes no more writes at 2 GiB, unless it is told otherwise. */
const DB_MAX_BYTES = 1.6 * 2 ** 30;

const textOf = ({ what, why }: ErrorParts): string => why ? `${what} (${why})` : what;

function memberFindings({ members }: EtcdFacts): readonly Finding[] {
  const some = members.some(({ problem }) => problem === undefined);
  return members.flatMap(({ endpoint, problem, hasLeader, db_bytes = 0, ahead_ms = 0 }) => {
    if (problem) {
      // The others will do.
      const status = some ? "warn" : "fail";
      return [{ status, why: textOf(problem), fix: problem.how } as const];
    }
    const findings: Finding[] = [];
    if (hasLeader === false) {
      const why = `${endpoint} has no leader: most members of etcd are away`;
      findings.push({ why, fix: "etcdctl endpoint status --cluster" });
    }
    if (Math.abs(ahead_ms) > CLOCK_MAX_MS) {
      const why = `the clock of ${endpoint} is ${
        Math.round(ahead_ms / 1000)
      } s ahead of this host's`;
      findings.push({ status: "warn", why, fix: "timedatectl set-ntp true" });
    }
    if (db_bytes > DB_MAX_BYTES) {
      const why =
        `the database of ${endpoint} has ${(db_bytes / 2 ** 30).toFixed(1)} GiB, and at ` +
        "2 GiB etcd writes no more: its history is not compacted";
      findings.push({ status: "warn", why, fix: "etcdctl compact REVISION && etcdctl defrag" });
    }
    return findings;
  });
}

/** The checks of this family. */
export function etcdChecks(facts: Facts): readonly Check[] {
  const { etcd, config } = facts;
  if (!etcd) return [];
  const { members, problem, records, own } = etcd;
  const reached = members.some((one) => one.problem === undefined);
  const findings = [
    ...memberFindings(etcd),
    ...(problem && reached ? [{ why: textOf(problem), fix: problem.how }] : []),
    ...(reached && !problem && own === undefined && isRunning(facts)
      ? [{ why: "tunnet runs here, and has no record in etcd", fix: "tunnet status" }]
      : []),
  ];
  const prefix = config.etcd?.prefix ?? ETCD_PREFIX;
  const well = `${members.length === 1 ? "it answers" : `all ${members.length} members answer`}, ` +
    `${records} ${records === 1 ? "record" : "records"} below ${prefix}, ` +
    (own === undefined ? "none of this node yet" : `this node has ${own}`);
  return checksOf("etcd", "etcd", well, findings);
}
