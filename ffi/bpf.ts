/**
 * bpf(2): maps, programs and where they are attached (linux/bpf.h).
 * Layouts are those of 64-bit little-endian Linux (x86_64, aarch64); offsets are in bytes.
 */

/** bpf(2): its number as a system call (asm/unistd.h), glibc has no function of that name. */
export const SYS_BPF = { x86_64: 321, aarch64: 280 } as const;
/** Commands (enum bpf_cmd, linux/bpf.h). */
export const BPF_COMMAND = {
  mapCreate: 0,
  mapLookup: 1,
  mapUpdate: 2,
  mapDelete: 3,
  programLoad: 5,
  programAttach: 8,
  programTest: 10,
  linkCreate: 28,
} as const;
/** enum bpf_map_type. */
export const BPF_MAP_TYPE = { hash: 1, perCpuHash: 5, perCpuArray: 6, lpmTrie: 11 } as const;
/** BPF_F_NO_PREALLOC: memory for what is there only. */
export const BPF_NO_PREALLOC = 1;
/** enum bpf_prog_type: a classifier of packets. */
export const BPF_PROGRAM_SCHED_CLS = 3;
/** enum bpf_attach_type: on a device's ingress or egress (tcx), since Linux 6.6. */
export const BPF_LINK_TYPE = { in: 46, out: 47 } as const;
/** union bpf_attr, by command; the kernel wants the rest to be zeros. */
export const BPF_ATTR = {
  size: 128,
  map: { type: 0, keyBytes: 4, valueBytes: 8, entries: 12, flags: 16 },
  element: { map: 0, key: 8, value: 16 },
  program: {
    type: 0,
    count: 4,
    instructions: 8,
    license: 16,
    logLevel: 24,
    logBytes: 28,
    log: 32,
    name: 48,
    nameMax: 15,
  },
  attach: { ifindex: 0, program: 4, type: 8 },
  link: { program: 0, ifindex: 4, attachType: 8 },
  test: { program: 0, verdict: 4, inBytes: 8, outBytes: 12, in: 16, out: 24 },
} as const;
