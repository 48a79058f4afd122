/** What each drop means and what to do, as `tunnet help drops` has it. Pure. */

import DROPS_TEXT from "../../forwarding/drops.md" with { type: "text" };

/** A reason in words. */
export interface DropMeaning {
  /** What a dropped packet did or was; "the packet" goes before it. */
  readonly means: string;
  /** What to do or to look at; empty where there is nothing. */
  readonly hint: string;
}

/** By the name of the reason: the rows of the table. */
export const DROP_MEANINGS: Readonly<Record<string, DropMeaning>> = Object.fromEntries(
  [...DROPS_TEXT.matchAll(/^\| `(\w+)` *\| ([^|]*?) *\| ([^|]*?) *\|$/gm)]
    .map(([, name, means, hint]) => [name!, { means: means!, hint: hint!.replaceAll("`", "") }]),
);
