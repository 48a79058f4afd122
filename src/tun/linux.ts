/** A tun device through /dev/net/tun (Documentation/networking/tuntap.rst). */

import { ERRNO } from "../../ffi/errno.ts";
import {
  IFF_MULTI_QUEUE,
  IFF_NO_PI,
  IFF_TUN,
  IFREQ,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDWR,
  TUN_DEVICE,
  TUNSETIFF,
} from "../../ffi/layout.ts";
import { cString, libc, pointerTo, SyscallError } from "../../ffi/libc.ts";
import { type Burst, SLOT_HEADROOM_BYTES, SLOT_STRIDE_BYTES } from "../engine/burst.ts";
import { RunError } from "../errors.ts";
import { PACKET_MAX_BYTES } from "../limits.ts";
import { DEVICE_GONE, type PacketDevice, WRITE, type WriteResult } from "./device.ts";

function openFailure(error: unknown, name: string): unknown {
  if (!(error instanceof SyscallError)) return error;
  const why = error.errnoName;
  switch (error.errno) {
    case ERRNO.ENOENT:
    case ERRNO.ENODEV:
    case ERRNO.ENXIO:
      return new RunError({
        what: `cannot open ${TUN_DEVICE}`,
        why: "this host has no tun driver",
        how: `modprobe tun; in a container, --device ${TUN_DEVICE}`,
      });
    case ERRNO.EPERM:
    case ERRNO.EACCES:
      return new RunError({
        what: `cannot create the device ${name}`,
        why: "it needs root or CAP_NET_ADMIN",
        how: "sudo",
      });
    case ERRNO.EBUSY:
      return new RunError({
        what: `cannot use the device ${name}`,
        why: "another program has it open",
        how: "end that program, or --device with another name",
      });
    case ERRNO.EINVAL:
      return new RunError({
        what: `cannot use the device ${name}`,
        why: "a device of that name stands here and is not a tun device",
        how: "--device with another name",
      });
    default:
      return new RunError({ what: `cannot open the device ${name}`, why });
  }
}

function attach(fd: number, name: string, flags: number): number {
  const request = new Uint8Array(IFREQ.size);
  request.set(cString(name).subarray(0, 15), IFREQ.name);
  new DataView(request.buffer).setUint16(IFREQ.flags, flags, true);
  return libc().call.ioctl(fd, TUNSETIFF, request);
}

/**
 * Creates the tun device, or takes over one that stands (`ip tuntap add`).
 * Returns its descriptor, nonblocking. Throws a RunError that says what is wrong.
 */
export function openTun(name: string): number {
  const { call, check, errno } = libc();
  let fd = -1;
  try {
    fd = check("open", call.open(cString(TUN_DEVICE), O_RDWR | O_CLOEXEC | O_NONBLOCK));
    const flags = IFF_TUN | IFF_NO_PI;
    if (attach(fd, name, flags) < 0) {
      // A standing device made with multi_queue wants the flag again.
      if (errno() !== ERRNO.EINVAL) throw new SyscallError("TUNSETIFF", errno());
      check("TUNSETIFF", attach(fd, name, flags | IFF_MULTI_QUEUE));
    }
    return fd;
  } catch (error) {
    if (fd >= 0) call.close(fd);
    throw openFailure(error, name);
  }
}

/** The device of a descriptor from `openTun`, for one lane. */
export class LinuxTun implements PacketDevice {
  readonly #libc = libc();
  #pointersOf: Burst | undefined;
  #pointers: Deno.PointerObject[] = [];

  constructor(readonly fd: number) {}

  read(burst: Burst): number {
    const { call } = this.#libc;
    this.#usePointers(burst);
    let slot = 0;
    while (slot < burst.slots) {
      const length = call.read(this.fd, this.#pointers[slot]!, PACKET_MAX_BYTES);
      if (length < 0) {
        const code = this.#libc.errno();
        if (code === ERRNO.EINTR) continue;
        // EAGAIN is the rule; EBADFD says that the device was deleted.
        if (slot === 0 && (code === ERRNO.EBADFD || code === ERRNO.EBADF)) return DEVICE_GONE;
        break;
      }
      burst.length[slot++] = length;
    }
    return slot;
  }

  write(burst: Burst, slot: number): WriteResult {
    this.#usePointers(burst);
    const { call, errno } = this.#libc;
    if (call.write(this.fd, this.#pointers[slot]!, burst.length[slot]!) >= 0) return WRITE.ok;
    switch (errno()) {
      case ERRNO.EBADFD:
      case ERRNO.EBADF:
        return WRITE.gone;
      case ERRNO.EIO:
        return WRITE.down;
      default:
        return WRITE.rejected;
    }
  }

  #usePointers(burst: Burst): void {
    if (burst === this.#pointersOf) return;
    this.#pointersOf = burst;
    this.#pointers = Array.from(
      { length: burst.slots },
      (_, slot) => pointerTo(burst.bytes.subarray(slot * SLOT_STRIDE_BYTES + SLOT_HEADROOM_BYTES)),
    );
  }
}
