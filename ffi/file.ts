/**
 * Files, waiting and time: open(2), poll(2), epoll(7), eventfd(2), clock_gettime(2).
 * Layouts are those of 64-bit little-endian Linux (x86_64, aarch64); offsets are in bytes.
 */

/** open(2), fcntl(2): asm-generic/fcntl.h. */
export const O_RDWR = 0o2;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;

/** mount(2), umount2(2): linux/mount.h, linux/fs.h. */
export const MS_BIND = 0x1000;
export const MS_REC = 0x4000;
export const MS_SHARED = 0x10_0000;
export const MNT_DETACH = 2;

/** struct pollfd (poll.h). */
export const POLLFD = { size: 8, fd: 0, events: 4, revents: 6 } as const;
export const POLLIN = 0x001;
export const POLLOUT = 0x004;
export const POLLERR = 0x008;
export const POLLHUP = 0x010;
export const POLLNVAL = 0x020;

/** epoll_ctl(2): sys/epoll.h. */
export const EPOLL_CTL_DEL = 2;

/** eventfd(2): the flags equal open's. */
export const EFD_NONBLOCK = O_NONBLOCK;
export const EFD_CLOEXEC = O_CLOEXEC;

/** clock_gettime(2): linux/time.h; struct timespec. */
export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_THREAD_CPUTIME_ID = 3;
export const CLOCK_BOOTTIME = 7;
export const TIMESPEC = { size: 16, seconds: 0, nanoseconds: 8 } as const;
