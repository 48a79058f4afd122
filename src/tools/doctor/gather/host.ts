/** Rights and the tun driver, as this process finds them. */

import { errnoName } from "../../../../ffi/errno.ts";
import { O_CLOEXEC, O_RDWR } from "../../../../ffi/file.ts";
import { cString, libc } from "../../../../ffi/libc.ts";
import { TUN_DEVICE, TUNGETFEATURES } from "../../../../ffi/tun.ts";
import { readKernelFile } from "../../../host/sysctl.ts";

/** capabilities(7), linux/capability.h. */
const CAP_NET_ADMIN = 12n;
const STATUS_MAX_BYTES = 4096;

/** Whether this process may configure the network: proc(5), the effective set. */
export function hasNetAdmin(): boolean {
  const status = readKernelFile("/proc/self/status", STATUS_MAX_BYTES) ?? "";
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  return (BigInt(`0x${effective}`) >> CAP_NET_ADMIN & 1n) === 1n;
}

/** `ok` if the tun driver can be opened, else the errno's name. No device is made. */
export function tryTunDevice(): string {
  const { call, errno } = libc();
  const fd = call.open(cString(TUN_DEVICE), O_RDWR | O_CLOEXEC);
  if (fd < 0) return errnoName(errno());
  // A plain file opens as well, and takes no request.
  const flags = new Uint8Array(4);
  const found = call.ioctl(fd, TUNGETFEATURES, flags) < 0 ? errnoName(errno()) : "ok";
  call.close(fd);
  return found;
}
