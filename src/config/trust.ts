/** Whether nobody but those whom root trusts can say what a file holds. Pure. */

/** What is on the way to a file, or the file itself. */
export interface PathEntry {
  readonly path: string;
  readonly kind: "directory" | "link" | "file";
  readonly uid: number;
  readonly gid: number;
  /** Permission bits with the sticky bit. */
  readonly mode: number;
}

/** Users and groups that may do what they like. */
export interface Trusted {
  readonly uids: readonly number[];
  readonly gids: readonly number[];
}

/** Why a file is not to be used, and what to do about it. */
export interface Distrust {
  readonly why: string;
  readonly how: string;
}

const STICKY = 0o1000;
const GROUP_WRITE = 0o020;
const OTHER_WRITE = 0o002;

/** What is wrong with one entry. A link's own mode says nothing. */
function fault({ path, kind, uid, gid, mode }: PathEntry, trusted: Trusted): Distrust | undefined {
  if (!trusted.uids.includes(uid)) {
    const how = "chown root, or a copy in /etc/tunnet, or -c - <FILE for what you have looked at";
    return { why: `${path} belongs to user ${uid}, who would decide what root does`, how };
  }
  // In a sticky directory, only its owner can exchange an entry, and only an entry's owner.
  if (kind === "link" || (kind === "directory" && (mode & STICKY) !== 0)) return undefined;
  const open = (mode & OTHER_WRITE) !== 0 ||
    (mode & GROUP_WRITE) !== 0 && !trusted.gids.includes(gid);
  if (!open) return undefined;
  const who = (mode & OTHER_WRITE) !== 0 ? "everybody" : `group ${gid}`;
  const octal = (mode & 0o7777).toString(8).padStart(4, "0");
  return { why: `${who} may write to ${path}: its mode is ${octal}`, how: `chmod go-w ${path}` };
}

/**
 * Looks at all entries of a path, the root directory first. Whoever owns that is trusted: nothing is
 * safe from them (in a user namespace it is not root).
 */
export function distrust(
  entries: readonly PathEntry[],
  { uids, gids }: Trusted,
): Distrust | undefined {
  const trusted = { uids: [...uids, ...entries.slice(0, 1).map(({ uid }) => uid)], gids };
  for (const entry of entries) {
    const found = fault(entry, trusted);
    if (found) return found;
  }
  return undefined;
}
