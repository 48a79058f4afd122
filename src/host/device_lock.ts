/**
 * One program per device: a lock that is held by an abstract unix socket (unix(7)). Its name is the
 * network namespace's own, as the device's is; it takes no right and no directory, and goes with the
 * process, however that ends. (The kernel lets a second program attach to a device with several queues.)
 */

import { ERRNO } from "../../ffi/errno.ts";
import { libc, SyscallError } from "../../ffi/libc.ts";
import {
  AF_UNIX,
  SO_PEERCRED,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  UCRED,
} from "../../ffi/socket.ts";
import { RunError } from "../base/errors.ts";
import { UNIX_SOCKETS_MAX_BYTES } from "../base/limits.ts";
import { readKernelFile } from "./sysctl.ts";

/** Who listens on the socket that is the lock. */
export interface Holder {
  /** 0 where it is in a PID namespace that is not ours. */
  readonly pid: number;
  readonly uid: number;
}

/** Connections that nobody takes, from others who have asked who holds the lock. */
const BACKLOG = 128;

/** What the locks' names begin with; the status socket's remover knows it as well (status/remover.ts). */
const PREFIX = "tunnet/device/";

function nameOf(device: string): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(`\0${PREFIX}${device}`);
  const bytes = new Uint8Array(2 + name.length);
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(name, 2);
  return bytes;
}

function openSocket(): number {
  const { call, check } = libc();
  return check("socket", call.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/** Who holds a device's lock; undefined if nobody does, or their backlog is full. */
function holderOf(device: string): Holder | undefined {
  const { call } = libc();
  const fd = openSocket();
  try {
    const name = nameOf(device);
    if (call.connect(fd, name, name.length) < 0) return undefined;
    const cred = new Uint8Array(UCRED.size);
    const length = new Uint8Array(new Uint32Array([cred.length]).buffer);
    if (call.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, cred, length) < 0) return undefined;
    const view = new DataView(cred.buffer);
    return { pid: view.getInt32(UCRED.pid, true), uid: view.getUint32(UCRED.uid, true) };
  } finally {
    call.close(fd);
  }
}

/** What is said of a device that somebody has. */
export function inUse(device: string, holder: Holder | undefined): RunError {
  const { pid = 0, uid } = holder ?? {};
  const who = pid === 0 ? "another tunnet" : `the tunnet with process id ${pid}`;
  const whose = uid === undefined || uid === 0 ? "" : `, of user ${uid},`;
  return new RunError({
    what: `cannot use the device ${device}`,
    why: `${who}${whose} has it`,
    how: `tunnet status --device ${device}, or another device and port for a second node`,
  });
}

/** Whether there seem to be other nodes in this network namespace, by their locks. */
export function areOthers(device: string): boolean {
  const list = readKernelFile("/proc/thread-self/net/unix", UNIX_SOCKETS_MAX_BYTES);
  if (list === undefined || list.length >= UNIX_SOCKETS_MAX_BYTES) return true;
  return list.split("\n").some((line) => {
    const at = line.indexOf(`@${PREFIX}`);
    return at >= 0 && line.slice(at + 1 + PREFIX.length) !== device;
  });
}

/**
 * Takes the lock of a device. Throws a RunError that says who has it. A lock of an ordinary user
 * counts only if there `isDevice`: anybody may take a name, but without rights nobody has a device.
 * The result is undefined then: there is no lock to be had. Else the lock is held until it is
 * disposed of, or the process ends.
 */
export function lockDevice(device: string, isDevice: () => boolean): Disposable | undefined {
  const { call, check, errno } = libc();
  const fd = openSocket();
  try {
    const name = nameOf(device);
    if (call.bind(fd, name, name.length) < 0) {
      const code = errno();
      if (code !== ERRNO.EADDRINUSE) throw new SyscallError("bind", code);
      const holder = holderOf(device);
      if (holder?.uid === 0 || isDevice()) throw inUse(device, holder);
      call.close(fd);
      return undefined;
    }
    check("listen", call.listen(fd, BACKLOG));
    return { [Symbol.dispose]: () => void call.close(fd) };
  } catch (error) {
    call.close(fd);
    throw error;
  }
}
