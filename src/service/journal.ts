/** Whether standard error goes to the systemd journal. */

import { cString, libc } from "../../ffi/libc.ts";

/** Where the journal's stream is named, as `DEVICE:INODE` (systemd.exec(5)). */
const VARIABLE = "JOURNAL_STREAM";

/** Whether a link such as `socket:[42]` (proc(5)) is the stream that the variable names. */
export function isStream(link: string, variable: string | undefined): boolean {
  // The device is that of all sockets: the inode is enough.
  const inode = /^[0-9]+:([0-9]+)$/.exec(variable ?? "")?.[1];
  return inode !== undefined && link === `socket:[${inode}]`;
}

/** Asks the kernel what standard error is. */
export function writesToJournal(env: (name: string) => string | undefined): boolean {
  const variable = env(VARIABLE);
  if (variable === undefined) return false;
  const bytes = new Uint8Array(64);
  const size = libc().call.readlink(cString("/proc/self/fd/2"), bytes, bytes.length);
  return size > 0 && isStream(new TextDecoder().decode(bytes.subarray(0, size)), variable);
}
