/**
 * What a process may do, and where it does it: capabilities(7), prctl(2), namespaces(7).
 * Layouts are those of 64-bit little-endian Linux (x86_64, aarch64); offsets are in bytes.
 */

/** capget(2), capset(2): linux/capability.h. The data has two halves of this layout. */
export const CAP_VERSION_3 = 0x20080522;
export const CAP_HEADER = { size: 8, version: 0 } as const;
export const CAP_DATA = { size: 12, effective: 0, permitted: 4, inheritable: 8 } as const;
/** Capabilities that tunnet knows by name, and a number that no kernel reaches soon (last: 40). */
export const CAPABILITIES = { dacReadSearch: 2, netAdmin: 12, bpf: 39 } as const;
export const CAP_LAST = 63;

/** setns(2), unshare(2): linux/sched.h. */
export const CLONE_NEWNET = 0x4000_0000;

/** prctl(2): linux/prctl.h. */
export const PR_CAPBSET_DROP = 24;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_CAP_AMBIENT = 47;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;
