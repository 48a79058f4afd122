/** Maps, programs and where they are attached, through bpf(2). */

import {
  BPF_ATTR,
  BPF_COMMAND,
  BPF_LINK_TYPE,
  BPF_MAP_TYPE,
  BPF_NO_PREALLOC,
  BPF_PROGRAM_SCHED_CLS,
  SYS_BPF,
} from "../../../ffi/bpf.ts";
import { ERRNO } from "../../../ffi/errno.ts";
import { addressOf, cString, libc, SyscallError } from "../../../ffi/libc.ts";
import { readKernelFile } from "../../host/sysctl.ts";
import { INSTRUCTION_BYTES } from "./assembler.ts";

const CPU_LIST_MAX_BYTES = 256;

/** The verifier's words on a program that it refuses; there are more only if it is very long. */
const VERIFIER_LOG_BYTES = 1 << 20;

/** Its last words say why. */
const VERIFIER_LINES = 3;

/** Helpers that look up routes are for programs under a licence that the kernel accepts. */
const LICENSE = cString("Dual MIT/GPL");

/** What a map is. */
export type MapKind = keyof typeof BPF_MAP_TYPE;

function call(command: keyof typeof BPF_COMMAND, attr: Uint8Array<ArrayBuffer>): number {
  const number = SYS_BPF[Deno.build.arch];
  return libc().call.syscall(number, BPF_COMMAND[command], attr, attr.length);
}

/** A map that the kernel's programs share with this process. Throws a SyscallError where it fails. */
export class BpfMap {
  readonly fd: number;
  readonly #key: Uint8Array<ArrayBuffer>;
  readonly #value: Uint8Array<ArrayBuffer>;
  readonly #attr = new Uint8Array(BPF_ATTR.size);
  /** The same without a value: the kernel refuses a removal that names one. */
  readonly #attrOfKey = new Uint8Array(BPF_ATTR.size);

  /** `value_bytes` is one processor's, where each has its own. */
  constructor(
    readonly kind: MapKind,
    key_bytes: number,
    readonly value_bytes: number,
    entries: number,
  ) {
    const attr = new Uint8Array(BPF_ATTR.size);
    const view = new DataView(attr.buffer);
    view.setUint32(BPF_ATTR.map.type, BPF_MAP_TYPE[kind], true);
    view.setUint32(BPF_ATTR.map.keyBytes, key_bytes, true);
    view.setUint32(BPF_ATTR.map.valueBytes, value_bytes, true);
    view.setUint32(BPF_ATTR.map.entries, entries, true);
    // What is not there takes no memory.
    if (kind !== "perCpuArray") view.setUint32(BPF_ATTR.map.flags, BPF_NO_PREALLOC, true);
    const copies = kind.startsWith("perCpu") ? possibleProcessors() : 1;
    this.fd = libc().check("bpf(BPF_MAP_CREATE)", call("mapCreate", attr));
    this.#key = new Uint8Array(key_bytes);
    this.#value = new Uint8Array(value_bytes * copies);
    for (const attr of [this.#attr, this.#attrOfKey]) {
      const element = new DataView(attr.buffer);
      element.setUint32(BPF_ATTR.element.map, this.fd, true);
      element.setBigUint64(BPF_ATTR.element.key, BigInt(addressOf(this.#key)), true);
    }
    const value = BigInt(addressOf(this.#value));
    new DataView(this.#attr.buffer).setBigUint64(BPF_ATTR.element.value, value, true);
  }

  /** Makes an entry, or gives it another value; one for each processor, where each has its own. */
  set(key: Uint8Array, value: Uint8Array): void {
    this.#key.set(key);
    this.#value.fill(0);
    this.#value.set(value);
    libc().check("bpf(BPF_MAP_UPDATE_ELEM)", call("mapUpdate", this.#attr));
  }

  /** Removes an entry, if it is there. */
  delete(key: Uint8Array): void {
    this.#key.set(key);
    if (call("mapDelete", this.#attrOfKey) >= 0) return;
    const errno = libc().errno();
    if (errno !== ERRNO.ENOENT) throw new SyscallError("bpf(BPF_MAP_DELETE_ELEM)", errno);
  }

  /** The value of an entry, good until the next call; undefined if there is none. */
  get(key: Uint8Array): Uint8Array | undefined {
    this.#key.set(key);
    return call("mapLookup", this.#attr) < 0 ? undefined : this.#value;
  }

  close(): void {
    libc().call.close(this.fd);
  }
}

/** Loads a program for a device's ingress or egress; its descriptor. Throws a SyscallError with the verifier's words. */
export function loadProgram(name: string, instructions: Uint8Array<ArrayBuffer>): number {
  const { program, size } = BPF_ATTR;
  const attr = new Uint8Array(size);
  const view = new DataView(attr.buffer);
  view.setUint32(program.type, BPF_PROGRAM_SCHED_CLS, true);
  view.setUint32(program.count, instructions.length / INSTRUCTION_BYTES, true);
  view.setBigUint64(program.instructions, BigInt(addressOf(instructions)), true);
  view.setBigUint64(program.license, BigInt(addressOf(LICENSE)), true);
  attr.set(new TextEncoder().encode(name).subarray(0, program.nameMax), program.name);
  const fd = call("programLoad", attr);
  if (fd >= 0) return fd;
  const error = new SyscallError("bpf(BPF_PROG_LOAD)", libc().errno());

  // Once more for its words: asked for at once, they would cost every start.
  const log = new Uint8Array(VERIFIER_LOG_BYTES);
  view.setUint32(program.logLevel, 1, true);
  view.setUint32(program.logBytes, log.length, true);
  view.setBigUint64(program.log, BigInt(addressOf(log)), true);
  const again = call("programLoad", attr);
  if (again >= 0) return again;
  const text = new TextDecoder().decode(log.subarray(0, log.indexOf(0))).trimEnd();
  const words = text.split("\n").slice(-VERIFIER_LINES).join("; ");
  // The length is read here so that the kernel never reads instructions that are collected.
  error.message += `: ${name}, ${instructions.length} bytes${words ? `: ${words}` : ""}`;
  throw error;
}

/**
 * Puts a program on a device's ingress or egress (tcx, Linux 6.6). It is there
 * until the descriptor that this returns is closed, so it ends with the process,
 * however that ends. Throws a SyscallError.
 */
export function attachProgram(
  program: number,
  ifindex: number,
  way: keyof typeof BPF_LINK_TYPE,
): number {
  const attr = new Uint8Array(BPF_ATTR.size);
  const view = new DataView(attr.buffer);
  view.setUint32(BPF_ATTR.link.program, program, true);
  view.setUint32(BPF_ATTR.link.ifindex, ifindex, true);
  view.setUint32(BPF_ATTR.link.attachType, BPF_LINK_TYPE[way], true);
  return libc().check("bpf(BPF_LINK_CREATE)", call("linkCreate", attr));
}

/**
 * Puts a program on a device's ingress or egress for as long as there is the device.
 * Throws a SyscallError.
 */
export function attachForGood(
  program: number,
  ifindex: number,
  way: keyof typeof BPF_LINK_TYPE,
): void {
  const attr = new Uint8Array(BPF_ATTR.size);
  const view = new DataView(attr.buffer);
  view.setUint32(BPF_ATTR.attach.ifindex, ifindex, true);
  view.setUint32(BPF_ATTR.attach.program, program, true);
  view.setUint32(BPF_ATTR.attach.type, BPF_LINK_TYPE[way], true);
  libc().check("bpf(BPF_PROG_ATTACH)", call("programAttach", attr));
}

/** Processors that the kernel could ever have, such as `0-3`: each has its own counts. */
function possibleProcessors(): number {
  const path = "/sys/devices/system/cpu/possible";
  const text = readKernelFile(path, CPU_LIST_MAX_BYTES);
  const last = Number(text?.trim().split(/[-,]/).at(-1));
  // The kernel writes that many values into our memory.
  if (!Number.isInteger(last)) throw new SyscallError(`read ${path}`, ERRNO.ENOENT);
  return last + 1;
}
