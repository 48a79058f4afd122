/** The keys of this node: there, its own, and nobody else's to read. Pure. */

import { equalBytes, formatKey } from "../../../wire/keys.ts";
import { type Check, checksOf, type Finding } from "../check.ts";
import type { Facts, KeyFileFacts } from "../facts.ts";

function ownKey({ path, publicKey }: KeyFileFacts, { self, source }: Facts): Finding[] {
  if (!publicKey || (self.keys && equalBytes(self.keys.publicKey, publicKey))) return [];
  const has = self.keys ? `the public_key ${formatKey(self.keys.publicKey)}` : "no public_key";
  const own = formatKey(publicKey);
  return [{
    why: `${path} is not the key of ${self.name}, which has ${has} in ${source}: it is ${own}'s`,
    fix: "tunnet key --show # the line for the config, on every node",
  }];
}

/** The checks of this family. */
export function keyChecks(facts: Facts): readonly Check[] {
  const [own] = facts.keyFiles;
  if (!own) return [];
  const unusable = facts.keyFiles.flatMap(({ problem }): Finding[] =>
    problem ? [{ why: problem.what, fix: problem.fix }] : []
  );
  const well = `${own.path} is that of ${facts.self.name}, and for root alone to read`;
  return checksOf("keys", "the keys", well, [...unusable, ...ownKey(own, facts)]);
}
