/** What the executable may do and how it is run, baked in by both forms of the build. Data only. */

/** Environment variables the program reads; a trailing * means any ending. */
export const ENV_NAMES = [
  "TUNNET_*",
  // Who has become root, whose files are trusted then.
  "SUDO_UID",
  "SUDO_GID",
  // A service manager's: where to report to, and how often.
  "NOTIFY_SOCKET",
  "WATCHDOG_USEC",
  "WATCHDOG_PID",
  // Whether standard error is its journal.
  "JOURNAL_STREAM",
  // Where the key files that it has read for the service are.
  "CREDENTIALS_DIRECTORY",
] as const;

/** System facts the program asks for, as Deno names them. */
export const SYS_NAMES = ["networkInterfaces", "uid"] as const;

/**
 * Flags of `deno run` and `deno compile` alike.
 *
 * Bare ones are as narrow as they can be: a list for ffi resolves `libc.so.6` against the working
 * directory; a config may be anywhere (read), and a capture may go anywhere (write); peers are
 * any address (net); the lab starts `ip`, `ping` and this very file, whose path the build cannot
 * know (run).
 */
export const PERMISSION_FLAGS: readonly string[] = [
  "--no-prompt",
  "--allow-ffi",
  "--allow-read",
  "--allow-write",
  "--allow-net",
  "--allow-run",
  `--allow-env=${ENV_NAMES.join(",")}`,
  `--allow-sys=${SYS_NAMES.join(",")}`,
];

/** Unstable features the program uses: Deno.listenDatagram. */
export const UNSTABLE_FLAGS: readonly string[] = ["--unstable-net"];

/**
 * V8 compiles every function, plainly, before its first call. By itself it interprets a kind of
 * packet until enough have come, so that the first pings after an hour of TCP take up to twice as
 * long.
 */
export const V8_FLAGS: readonly string[] = ["--v8-flags=--always-sparkplug"];
