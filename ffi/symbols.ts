/**
 * The libc functions that tunnet calls, as data. The C type of each parameter
 * is beside it (man-pages 6.x, section 2 and 3).
 *
 * `ssize_t` and `long` results are declared i32: every length here is below
 * 2^31, and a 64-bit result would reach JavaScript as a BigInt. For the same
 * reason `size_t` parameters are u32: sound among the first six parameters, which
 * go by registers and are zero-extended, but not from the seventh on, whose upper
 * half on the stack is whatever was there.
 */
export const LIBC = {
  open: {
    parameters: [
      "buffer", // const char *pathname
      "i32", // int flags
    ],
    result: "i32", // int
  },
  close: {
    parameters: ["i32"], // int fd
    result: "i32", // int
  },
  read: {
    parameters: [
      "i32", // int fd
      "pointer", // void *buf
      "u32", // size_t count
    ],
    result: "i32", // ssize_t
  },
  write: {
    parameters: [
      "i32", // int fd
      "pointer", // const void *buf
      "u32", // size_t count
    ],
    result: "i32", // ssize_t
  },
  writev: {
    parameters: [
      "i32", // int fd
      "pointer", // const struct iovec *iov
      "i32", // int iovcnt
    ],
    result: "i32", // ssize_t
  },
  ioctl: {
    parameters: [
      "i32", // int fd
      "u32", // unsigned long request
      "buffer", // void *argp
    ],
    result: "i32", // int
  },
  ioctl_value: {
    name: "ioctl",
    parameters: [
      "i32", // int fd
      "u32", // unsigned long request
      "u32", // unsigned long arg
    ],
    result: "i32", // int
  },
  fcntl: {
    parameters: [
      "i32", // int fd
      "i32", // int cmd
      "i32", // int arg
    ],
    result: "i32", // int
  },
  poll: {
    parameters: [
      "buffer", // struct pollfd *fds
      "u32", // nfds_t nfds
      "i32", // int timeout
    ],
    result: "i32", // int
  },
  poll_async: {
    name: "poll",
    // On a thread of Deno's pool: a promise, and errno is lost.
    nonblocking: true,
    parameters: [
      "pointer", // struct pollfd *fds
      "u32", // nfds_t nfds
      "i32", // int timeout
    ],
    result: "i32", // int
  },
  eventfd: {
    parameters: [
      "u32", // unsigned int initval
      "i32", // int flags
    ],
    result: "i32", // int
  },
  socket: {
    parameters: [
      "i32", // int domain
      "i32", // int type
      "i32", // int protocol
    ],
    result: "i32", // int
  },
  bind: {
    parameters: [
      "i32", // int sockfd
      "buffer", // const struct sockaddr *addr
      "u32", // socklen_t addrlen
    ],
    result: "i32", // int
  },
  connect: {
    parameters: [
      "i32", // int sockfd
      "buffer", // const struct sockaddr *addr
      "u32", // socklen_t addrlen
    ],
    result: "i32", // int
  },
  listen: {
    parameters: [
      "i32", // int sockfd
      "i32", // int backlog
    ],
    result: "i32", // int
  },
  getsockname: {
    parameters: [
      "i32", // int sockfd
      "buffer", // struct sockaddr *addr
      "buffer", // socklen_t *addrlen
    ],
    result: "i32", // int
  },
  getsockopt: {
    parameters: [
      "i32", // int sockfd
      "i32", // int level
      "i32", // int optname
      "buffer", // void *optval
      "buffer", // socklen_t *optlen
    ],
    result: "i32", // int
  },
  setsockopt: {
    parameters: [
      "i32", // int sockfd
      "i32", // int level
      "i32", // int optname
      "buffer", // const void *optval
      "u32", // socklen_t optlen
    ],
    result: "i32", // int
  },
  readlink: {
    parameters: [
      "buffer", // const char *pathname
      "buffer", // char *buf
      "u32", // size_t bufsiz
    ],
    result: "i32", // ssize_t
  },
  setns: {
    parameters: [
      "i32", // int fd
      "i32", // int nstype
    ],
    result: "i32", // int
  },
  unshare: {
    parameters: ["i32"], // int flags
    result: "i32", // int
  },
  mount: {
    parameters: [
      "buffer", // const char *source
      "buffer", // const char *target
      "buffer", // const char *filesystemtype
      "u32", // unsigned long mountflags
      "pointer", // const void *data
    ],
    result: "i32", // int
  },
  umount2: {
    parameters: [
      "buffer", // const char *target
      "i32", // int flags
    ],
    result: "i32", // int
  },
  umask: {
    parameters: [
      "u32", // mode_t mask
    ],
    result: "u32", // mode_t
  },
  sendto: {
    parameters: [
      "i32", // int sockfd
      "buffer", // const void *buf
      "u32", // size_t len
      "i32", // int flags
      "buffer", // const struct sockaddr *dest_addr
      "u32", // socklen_t addrlen
    ],
    result: "i32", // ssize_t
  },
  epoll_ctl: {
    parameters: [
      "i32", // int epfd
      "i32", // int op
      "i32", // int fd
      "pointer", // struct epoll_event *event
    ],
    result: "i32", // int
  },
  send: {
    parameters: [
      "i32", // int sockfd
      "buffer", // const void *buf
      "u32", // size_t len
      "i32", // int flags
    ],
    result: "i32", // ssize_t
  },
  recv: {
    parameters: [
      "i32", // int sockfd
      "buffer", // void *buf
      "u32", // size_t len
      "i32", // int flags
    ],
    result: "i32", // ssize_t
  },
  sendmmsg: {
    parameters: [
      "i32", // int sockfd
      "pointer", // struct mmsghdr *msgvec
      "u32", // unsigned int vlen
      "i32", // int flags
    ],
    result: "i32", // int
  },
  recvmmsg: {
    parameters: [
      "i32", // int sockfd
      "pointer", // struct mmsghdr *msgvec
      "u32", // unsigned int vlen
      "i32", // int flags
      "pointer", // struct timespec *timeout
    ],
    result: "i32", // int
  },
  clock_gettime: {
    parameters: [
      "i32", // clockid_t clockid
      "buffer", // struct timespec *tp
    ],
    result: "i32", // int
  },
  capget: {
    parameters: [
      "buffer", // cap_user_header_t hdrp
      "buffer", // cap_user_data_t datap
    ],
    result: "i32", // int
  },
  capset: {
    parameters: [
      "buffer", // cap_user_header_t hdrp
      "buffer", // const cap_user_data_t datap
    ],
    result: "i32", // int
  },
  prctl: {
    parameters: [
      "i32", // int op
      "u32", // unsigned long arg2
      "u32", // unsigned long arg3
      "u32", // unsigned long arg4
      "u32", // unsigned long arg5
    ],
    result: "i32", // int
  },
  syscall: {
    parameters: [
      "u32", // long number
      "i32", // int cmd: bpf(2) is the only one called so
      "buffer", // union bpf_attr *attr
      "u32", // unsigned int size
    ],
    result: "i32", // long
  },
  seccomp: {
    name: "syscall",
    parameters: [
      "u32", // long number
      "u32", // unsigned int operation
      "u32", // unsigned int flags
      "buffer", // struct sock_fprog *args
    ],
    result: "i32", // long
  },
  statx: {
    name: "syscall",
    parameters: [
      "u32", // long number
      "u32", // int dirfd: of no use with a whole path
      "buffer", // const char *path
      "u32", // int flags
      "u32", // unsigned int mask
      "buffer", // struct statx *statxbuf
    ],
    result: "i32", // long
  },
  setgroups: {
    parameters: [
      "u32", // size_t size
      "buffer", // const gid_t *list
    ],
    result: "i32", // int
  },
  setresgid: {
    parameters: [
      "u32", // gid_t rgid
      "u32", // gid_t egid
      "u32", // gid_t sgid
    ],
    result: "i32", // int
  },
  setresuid: {
    parameters: [
      "u32", // uid_t ruid
      "u32", // uid_t euid
      "u32", // uid_t suid
    ],
    result: "i32", // int
  },
  geteuid: {
    parameters: [],
    result: "u32", // uid_t
  },
  __errno_location: {
    parameters: [],
    result: "pointer", // int *
  },
} as const satisfies Deno.ForeignLibraryInterface;
