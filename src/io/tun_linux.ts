/** A tun or tap device through /dev/net/tun (Documentation/networking/tuntap.rst). */

import { ERRNO } from "../../ffi/errno.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDWR } from "../../ffi/file.ts";
import { addressOf, cString, libc, pointerTo, putAddress, SyscallError } from "../../ffi/libc.ts";
import { IOVEC } from "../../ffi/socket.ts";
import {
  IFF_MULTI_QUEUE,
  IFF_NO_PI,
  IFF_TAP,
  IFF_TUN,
  IFF_VNET_HDR,
  IFREQ,
  TUN_DEVICE,
  TUN_F_CSUM,
  TUN_F_TSO4,
  TUN_F_TSO6,
  TUN_F_TSO_ECN,
  TUN_F_USO4,
  TUN_F_USO6,
  TUNGETFEATURES,
  TUNSETIFF,
  TUNSETOFFLOAD,
  TUNSETPERSIST,
} from "../../ffi/tun.ts";
import type { Mode } from "../wire/mode.ts";
import type { Burst } from "./arena.ts";
import type { Feature } from "../base/features.ts";
import { RunError } from "../base/errors.ts";
import { FRAME_MAX_BYTES } from "../base/limits.ts";
import { flowHash } from "../net/flow.ts";
import {
  DEVICE_GONE,
  type DeviceFeatures,
  type OpenTun,
  type PacketDevice,
  WRITE,
  type WriteResult,
} from "./device.ts";
import { RUN_PACKETS_MAX } from "../offload/coalesce.ts";
import { VNET_BYTES, writePlainVnet } from "../offload/vnet.ts";

function openFailure(error: unknown, name: string, mode: Mode): unknown {
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
    case ERRNO.ENOTTY:
    case ERRNO.EISDIR:
      return new RunError({
        what: `cannot open ${TUN_DEVICE}`,
        why: error.errno === ERRNO.EISDIR
          ? "it is a folder, not the tun driver's device"
          : "it is a file, or another device than the tun driver's",
        how: `rm -r ${TUN_DEVICE} && mknod ${TUN_DEVICE} c 10 200; ` +
          `in a container, --device ${TUN_DEVICE}`,
      });
    case ERRNO.EACCES:
      return new RunError({
        what: `cannot open ${TUN_DEVICE}`,
        why: "this user may not read and write it",
        how: `sudo, or chmod 0666 ${TUN_DEVICE}`,
      });
    case ERRNO.EPERM:
      return new RunError({
        what: `cannot create the device ${name}`,
        why: "it needs root or CAP_NET_ADMIN",
        how: "sudo",
      });
    case ERRNO.EBUSY:
      return new RunError({
        what: `cannot use the device ${name}`,
        why: "another program has it open",
        how: `tcpdump -i ${name} to see its packets; or end that program, or another device name`,
      });
    case ERRNO.EINVAL:
      return new RunError({
        what: `cannot use the device ${name}`,
        why: `a device of that name exists and is not a ${mode} device`,
        how: `another device name, or --mode ${mode === "tap" ? "tun" : "tap"}`,
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

/** The IFF_ flags that this kernel's tun driver knows. */
function kernelFlags(fd: number): number {
  const flags = new Uint32Array(1);
  libc().call.ioctl(fd, TUNGETFEATURES, new Uint8Array(flags.buffer));
  return flags[0]!;
}

/** Bits of each feature; the kernel takes ECN with either TSO, and no segmentation without checksums. */
const OFFLOADS: readonly (readonly [Feature, number])[] = [
  ["csum", TUN_F_CSUM],
  ["tso4", TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN],
  ["tso6", TUN_F_CSUM | TUN_F_TSO6 | TUN_F_TSO_ECN],
  ["uso", TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6],
];

/** Switches on what is wanted and the kernel takes, each feature tried on its own. */
function enableOffloads(fd: number, wanted: ReadonlySet<Feature>): DeviceFeatures {
  const { call } = libc();
  const set = (bits: number) => call.ioctl_value(fd, TUNSETOFFLOAD, bits) >= 0;
  const taken = OFFLOADS.filter(([feature, bits]) => wanted.has(feature) && set(bits))
    .reduce((all, [, bits]) => all | bits, 0);
  // Also where nothing is wanted: who had a persistent device before may have left something on.
  set(taken);
  return {
    checksum: (taken & TUN_F_CSUM) !== 0,
    partial: (taken & TUN_F_CSUM) !== 0 && wanted.has("partial"),
    tcp4: (taken & TUN_F_TSO4) !== 0,
    tcp6: (taken & TUN_F_TSO6) !== 0,
    udp: (taken & TUN_F_USO4) !== 0,
  };
}

/** Makes a tap device that stays without a program (`ip tuntap add`). Throws a SyscallError. */
export function makePersistentTap(name: string): void {
  const { call, check } = libc();
  const fd = check("open", call.open(cString(TUN_DEVICE), O_RDWR | O_CLOEXEC));
  try {
    check("TUNSETIFF", attach(fd, name, IFF_TAP | IFF_NO_PI));
    check("TUNSETPERSIST", call.ioctl_value(fd, TUNSETPERSIST, 1));
  } finally {
    call.close(fd);
  }
}

/**
 * Creates the tun or tap device, or takes over a persistent one (`ip tuntap add`).
 * `wanted` are the features to use where the kernel has them, `queues` how many
 * queues to open (IFF_MULTI_QUEUE, Linux 3.8); a persistent device without them has one.
 * `spare` are descriptors of a device that is gone: they are used up before others are opened, since
 * who was root before may not open any more. Throws a RunError that says what is wrong.
 */
export function openTun(
  name: string,
  mode: Mode,
  wanted: ReadonlySet<Feature>,
  queues = 1,
  spare: number[] = [],
): OpenTun {
  const { call, check, errno } = libc();
  const fds: number[] = [];
  const kept = [...spare];
  const open = () => {
    const fd = spare.shift() ??
      check("open", call.open(cString(TUN_DEVICE), O_RDWR | O_CLOEXEC | O_NONBLOCK));
    fds.push(fd);
    return fd;
  };
  try {
    const fd = open();
    const vnet = wanted.has("vnet") && (kernelFlags(fd) & IFF_VNET_HDR) !== 0;
    const type = mode === "tap" ? IFF_TAP : IFF_TUN;
    const flags = type | IFF_NO_PI | (vnet ? IFF_VNET_HDR : 0);
    let several = queues > 1;
    if (attach(fd, name, several ? flags | IFF_MULTI_QUEUE : flags) < 0) {
      // A persistent device was made with multi_queue or without, and wants it just so.
      if (errno() !== ERRNO.EINVAL) throw new SyscallError("TUNSETIFF", errno());
      several = !several;
      check("TUNSETIFF", attach(fd, name, several ? flags | IFF_MULTI_QUEUE : flags));
    }
    while (several && fds.length < queues) {
      check("TUNSETIFF", attach(open(), name, flags | IFF_MULTI_QUEUE));
    }
    return { queues: fds, vnet, features: enableOffloads(fd, vnet ? wanted : new Set()) };
  } catch (error) {
    // One that the device has been given is spare no more.
    if (fds.length === 1 && kept.includes(fds[0]!)) spare.splice(0, spare.length, ...kept);
    else for (const fd of fds) call.close(fd);
    throw openFailure(error, name, mode);
  }
}

/** Closes the device; a persistent one must not go on handing out super-packets. */
export function closeTun({ queues, features }: OpenTun): void {
  const { call } = libc();
  if (features.checksum) call.ioctl_value(queues[0]!, TUNSETOFFLOAD, 0);
  closeQueues(queues);
}

/** Closes descriptors of a device that is no more. */
export function closeQueues(queues: readonly number[]): void {
  for (const fd of queues) libc().call.close(fd);
}

/** Pieces of one writev: a run of merged packets. */
const PIECES_MAX = RUN_PACKETS_MAX;

/** The device from `openTun`, for one lane, which reads one of its queues. */
export class LinuxTun implements PacketDevice {
  readonly #libc = libc();
  readonly #readAhead_bytes: number;
  readonly #iovecs = new Uint32Array(PIECES_MAX * IOVEC.size / 4);
  readonly #iovecsPointer = pointerTo(new Uint8Array(this.#iovecs.buffer));
  #readPointersOf: Burst | undefined;
  #readPointers: Deno.PointerObject[] = [];
  #writeBurst: Burst | undefined;
  #writeAddress = 0;

  /** The queue that is read. */
  readonly fd: number;
  readonly #queues: readonly number[];
  readonly vnet: boolean;
  readonly features: DeviceFeatures;

  constructor({ queues, vnet, features }: OpenTun, queue = 0) {
    this.#queues = queues;
    this.fd = queues[queue]!;
    this.vnet = vnet;
    this.features = features;
    this.#readAhead_bytes = vnet ? VNET_BYTES : 0;
  }

  read(burst: Burst, slot: number): number {
    const { call, errno } = this.#libc;
    if (burst !== this.#readPointersOf) this.#useForReading(burst);
    const room = FRAME_MAX_BYTES + this.#readAhead_bytes;
    for (;;) {
      const length = call.read(this.fd, this.#readPointers[slot]!, room);
      if (length >= 0) {
        burst.length[slot] = length - this.#readAhead_bytes;
        return 1;
      }
      const code = errno();
      if (code === ERRNO.EINTR) continue;
      // EAGAIN is the rule; EBADFD says that the device was deleted.
      return code === ERRNO.EBADFD || code === ERRNO.EBADF ? DEVICE_GONE : 0;
    }
  }

  write(burst: Burst, offset: Int32Array, length: Int32Array, pieces: number): WriteResult {
    if (burst !== this.#writeBurst) {
      this.#writeBurst = burst;
      this.#writeAddress = addressOf(burst.bytes);
    }
    for (let i = 0; i < pieces; i++) {
      const skipped = i === 0 && !this.vnet ? VNET_BYTES : 0;
      putAddress(this.#iovecs, 4 * i, this.#writeAddress + offset[i]! + skipped);
      this.#iovecs[4 * i + 2] = length[i]! - skipped;
    }
    const { call, errno } = this.#libc;
    const queues = this.#queues;
    // The kernel sends a flow's answers to the queue that its packets were written to.
    const fd = queues.length === 1
      ? this.fd
      : queues[flowHash(burst.view, offset[0]! + VNET_BYTES) % queues.length]!;
    if (call.writev(fd, this.#iovecsPointer, pieces) >= 0) return WRITE.ok;
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

  #useForReading(burst: Burst): void {
    this.#readPointersOf = burst;
    this.#readPointers = Array.from(
      { length: burst.slots },
      (_, slot) => pointerTo(burst.bytes.subarray(burst.offset(slot) - this.#readAhead_bytes)),
    );
    // Without a virtio header of the kernel's, the one before each slot says: nothing special.
    for (let slot = 0; slot < burst.slots; slot++) {
      writePlainVnet(burst.view, burst.offset(slot) - VNET_BYTES);
    }
  }
}
