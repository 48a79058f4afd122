/**
 * What a process may do, and where it does it: capabilities(7), prctl(2), namespaces(7).
 * Layouts are those of 64-bit little-endian Linux (x86_64, aarch64); offsets are in bytes.
 */

/** capget(2), capset(2): linux/capability.h. The data has two halves of this layout. */
export const CAP_VERSION_3 = 0x20080522;
export const CAP_HEADER = { size: 8, version: 0 } as const;
export const CAP_DATA = { size: 12, effective: 0, permitted: 4, inheritable: 8 } as const;
/** Capabilities that tunnet knows by name, and a number that no kernel reaches soon (last: 40). */
export const CAPABILITIES = {
  dacReadSearch: 2,
  setgid: 6,
  setuid: 7,
  netAdmin: 12,
  sysAdmin: 21,
  bpf: 39,
} as const;
export const CAP_LAST = 63;

/** setns(2), unshare(2): linux/sched.h. */
export const CLONE_NEWNET = 0x4000_0000;

/** Whom nobody's files belong to on every Linux. */
export const NOBODY = 65_534;

/** seccomp(2): linux/seccomp.h; the system call's number is each architecture's own. */
export const SECCOMP_SET_MODE_FILTER = 1;
export const SECCOMP_FILTER_FLAG_TSYNC = 1;
export const SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4;
export const SECCOMP_RET_ALLOW = 0x7fff_0000;
export const SECCOMP_RET_ERRNO = 0x0005_0000;
/** struct seccomp_data: the call's number, and the architecture that it was made for. */
export const SECCOMP_DATA = { number: 0, arch: 4 } as const;
/** struct sock_filter and sock_fprog, and the instructions in use (linux/filter.h, linux/bpf_common.h). */
export const SOCK_FILTER = { size: 8, code: 0, ifTrue: 2, ifFalse: 3, value: 4 } as const;
export const SOCK_FPROG = { size: 16, count: 0, filter: 8 } as const;
export const FILTER_LOAD_WORD = 0x20;
export const FILTER_JUMP_EQUAL = 0x15;
export const FILTER_JUMP_GREATER_EQUAL = 0x35;
export const FILTER_RETURN = 0x06;

/**
 * What an architecture is called by the kernel (linux/audit.h), and the numbers of system calls
 * (asm/unistd_64.h, asm-generic/unistd.h). From `foreign_from` on they are another ABI's (x32).
 */
export const SYSCALLS = {
  x86_64: {
    audit: 0xc000_003e,
    foreign_from: 0x4000_0000,
    seccomp: 317,
    numbers: {
      ...{ execve: 59, execveat: 322, ptrace: 101, process_vm_readv: 310, process_vm_writev: 311 },
      ...{ pidfd_getfd: 438, mount: 165, umount2: 166, pivot_root: 155, chroot: 161, setns: 308 },
      ...{
        unshare: 272,
        open_tree: 428,
        move_mount: 429,
        fsopen: 430,
        fsconfig: 431,
        fsmount: 432,
      },
      ...{ mount_setattr: 442, open_by_handle_at: 304, init_module: 175, finit_module: 313 },
      ...{ delete_module: 176, kexec_load: 246, kexec_file_load: 320, reboot: 169, swapon: 167 },
      ...{ swapoff: 168, add_key: 248, request_key: 249, keyctl: 250, perf_event_open: 298 },
      ...{ userfaultfd: 323 },
    },
  },
  aarch64: {
    audit: 0xc000_00b7,
    foreign_from: 0x4000_0000,
    seccomp: 277,
    numbers: {
      ...{ execve: 221, execveat: 281, ptrace: 117, process_vm_readv: 270, process_vm_writev: 271 },
      ...{ pidfd_getfd: 438, mount: 40, umount2: 39, pivot_root: 41, chroot: 51, setns: 268 },
      ...{ unshare: 97, open_tree: 428, move_mount: 429, fsopen: 430, fsconfig: 431, fsmount: 432 },
      ...{ mount_setattr: 442, open_by_handle_at: 265, init_module: 105, finit_module: 273 },
      ...{ delete_module: 106, kexec_load: 104, kexec_file_load: 294, reboot: 142, swapon: 224 },
      ...{ swapoff: 225, add_key: 217, request_key: 218, keyctl: 219, perf_event_open: 241 },
      ...{ userfaultfd: 282 },
    },
  },
} as const;

/** statx(2), Linux 4.11: asm/unistd_64.h, asm-generic/unistd.h; linux/stat.h. */
export const SYS_STATX = { x86_64: 332, aarch64: 291 } as const;
export const STATX = { size: 256, mask: 0x200, st_size: 40 } as const;

/** prctl(2): linux/prctl.h. */
export const PR_SET_KEEPCAPS = 8;
export const PR_CAPBSET_DROP = 24;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_CAP_AMBIENT = 47;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;
