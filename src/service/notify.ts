/**
 * Tells the service manager how the node is: sd_notify(3)'s protocol, one
 * datagram of `NAME=VALUE` lines to the socket that $NOTIFY_SOCKET names.
 */

import { CLOCK_MONOTONIC, TIMESPEC } from "../../ffi/file.ts";
import { libc, SyscallError } from "../../ffi/libc.ts";
import {
  AF_UNIX,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCKADDR_UN,
} from "../../ffi/socket.ts";

/** The variables that a service manager sets (sd_notify(3), sd_watchdog_enabled(3)). */
const NOTIFY_VARIABLES = {
  socket: "NOTIFY_SOCKET",
  watchdog_us: "WATCHDOG_USEC",
  watchdogPid: "WATCHDOG_PID",
} as const;

/** What the service manager gets to know. */
export type Notice =
  /** It is up: what waits for it may start. */
  | { readonly kind: "ready"; readonly status: string }
  /** It reads its config again; `ready` follows. */
  | { readonly kind: "reloading" }
  | { readonly kind: "stopping" }
  | { readonly kind: "status"; readonly status: string }
  /** It is alive. */
  | { readonly kind: "watchdog" };

/** The text of a notice; `now_us` is on CLOCK_MONOTONIC. */
export function noticeText(notice: Notice, now_us: () => bigint): string {
  switch (notice.kind) {
    case "ready":
      return `READY=1\nSTATUS=${oneLine(notice.status)}`;
    case "reloading":
      return `RELOADING=1\nMONOTONIC_USEC=${now_us()}\nSTATUS=reading the config again`;
    case "stopping":
      return "STOPPING=1\nSTATUS=stopping";
    case "status":
      return `STATUS=${oneLine(notice.status)}`;
    case "watchdog":
      return "WATCHDOG=1";
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}

/**
 * The socket address of a path, or of an abstract name that starts with @
 * (unix(7)); undefined if it is neither or too long. A path ends with NUL, an
 * abstract name starts with it and is as long as the address says.
 */
export function unixAddress(name: string): Uint8Array<ArrayBuffer> | undefined {
  const abstract = name.startsWith("@");
  if (!abstract && !name.startsWith("/")) return undefined;
  const text = new TextEncoder().encode(abstract ? `\0${name.slice(1)}` : `${name}\0`);
  if (text.length > SOCKADDR_UN.path_bytes || text.length < 2) return undefined;
  const bytes = new Uint8Array(SOCKADDR_UN.path + text.length);
  new DataView(bytes.buffer).setUint16(SOCKADDR_UN.family, AF_UNIX, true);
  bytes.set(text, SOCKADDR_UN.path);
  return bytes;
}

/** How often to say that we are alive, in ms: half of what the manager waits; undefined: never. */
export function watchdogInterval_ms(
  env: (name: string) => string | undefined,
  pid: number,
): number | undefined {
  const text = env(NOTIFY_VARIABLES.watchdog_us) ?? "";
  const of = env(NOTIFY_VARIABLES.watchdogPid) ?? String(pid);
  if (!/^[1-9][0-9]{0,15}$/.test(text) || of !== String(pid)) return undefined;
  return Math.max(1, Math.floor(Number(text) / 2000));
}

/** µs on CLOCK_MONOTONIC, which the manager compares with its own (clock_gettime(2)). */
function monotonic_us(): bigint {
  const { call, check } = libc();
  const time = new Uint8Array(TIMESPEC.size);
  check("clock_gettime", call.clock_gettime(CLOCK_MONOTONIC, time));
  const view = new DataView(time.buffer);
  const seconds = view.getBigInt64(TIMESPEC.seconds, true);
  return seconds * 1_000_000n + view.getBigInt64(TIMESPEC.nanoseconds, true) / 1000n;
}

/** The way to the service manager. */
export interface Notifier {
  /** Sends a notice. A manager that does not listen is no error of ours. */
  send(notice: Notice): void;
  close(): void;
}

/** A notifier for a manager that is not there. */
const SILENT: Notifier = { send() {}, close() {} };

/**
 * Opens the way to the manager that $NOTIFY_SOCKET names; without the variable,
 * a notifier that does nothing. `onTrouble` hears once why nothing can be sent.
 */
export function openNotifier(
  env: (name: string) => string | undefined,
  onTrouble: (why: string) => void,
): Notifier {
  const name = env(NOTIFY_VARIABLES.socket);
  if (!name) return SILENT;
  const address = unixAddress(name);
  if (!address) {
    onTrouble(`${NOTIFY_VARIABLES.socket} is neither a path nor an abstract name: ${name}`);
    return SILENT;
  }
  const { call, check, errno } = libc();
  const fd = check("socket", call.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  // Whoever is no root any more may not find the path again, but has found it once.
  call.connect(fd, address, address.length);
  let told = false;
  return {
    send(notice) {
      const text = new TextEncoder().encode(noticeText(notice, monotonic_us));
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      try {
        // By its path: a manager may have made its socket anew.
        if (call.sendto(fd, text, text.length, flags, address, address.length) < 0) {
          const failed = new SyscallError("sendto", errno());
          if (call.send(fd, text, text.length, flags) < 0) throw failed;
        }
        told = false;
      } catch (error) {
        if (!(error instanceof SyscallError)) throw error;
        if (!told) onTrouble(`cannot notify ${name}: ${error.errnoName}`);
        told = true;
      }
    },
    close: () => void call.close(fd),
  };
}
