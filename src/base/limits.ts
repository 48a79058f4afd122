/**
 * Every bound of the program in one place: the unit is in the name, the reason
 * beside it, and the kernel version where a kernel sets it.
 */

/** IPv4's total length and UDP's length are 16 bits: 65,535 - 20 - 8 (RFC 791, RFC 768). */
export const UDP_PAYLOAD_MAX_BYTES = 65_507;

/** The largest IP packet, and so the largest read from a tun device without offloads. */
export const PACKET_MAX_BYTES = 65_535;

/** Smallest MTU an IPv4 link may have and still carry every fragment (RFC 791). */
export const MTU_MIN_BYTES = 68;

/** Smallest MTU on which the kernel runs IPv6 (RFC 8200, section 5). */
export const MTU_IPV6_MIN_BYTES = 1280;

/** What every IPv4 path carries: a whole datagram that every host takes (RFC 791). */
export const PATH_MTU_IPV4_MIN_BYTES = 576;

/**
 * What a kernel has been told of a path by ICMP, which anybody can forge, is believed down to here:
 * no link of today that carries IP is narrower.
 */
export const PATH_MTU_HINT_MIN_BYTES = 1280;

/** Sizes that are tried in one burst of hellos: each leaves a seventh of what is not known yet. */
export const PATH_SIZES_PER_BURST = 12;

/** The kernel's own bound for a tun device (drivers/net/tun.c, MAX_MTU, since 4.10). */
export const MTU_MAX_BYTES = 65_535;

/** IPv4 (20) and UDP (8) headers around each packet. */
export const OVERHEAD_IPV4_BYTES = 28;

/** IPv6 (40) and UDP (8) headers around each packet. */
export const OVERHEAD_IPV6_BYTES = 48;

/** In mode tap: the frame's Ethernet header (14), and one VLAN tag (4), which an MTU does not count. */
export const OVERHEAD_ETHERNET_BYTES = 18;

/** What stations of an Ethernet have for an MTU unless somebody says otherwise (IEEE 802.3). */
export const MTU_ETHERNET_BYTES = 1500;

/** The largest frame that a tap device hands out: a super-packet behind a header with two tags. */
export const FRAME_MAX_BYTES: number = PACKET_MAX_BYTES + 22;

/** Device names: IFNAMSIZ is 16 with the closing NUL (linux/if.h). */
export const DEVICE_NAME_MAX_BYTES = 15;

/** Aliases of devices: IFALIASZ is 256 (linux/if.h), and the kernel takes what is shorter, with its NUL. */
export const LINK_ALIAS_MAX_BYTES = 254;

/** Nodes in one overlay: a lane keeps a socket address and counters per node in fixed tables. */
export const NODES_MAX = 4_096;

/** Subnets of all nodes together: sizes the shared route tables (about 8 MB when full). */
export const SUBNETS_MAX = 65_536;

/** Prefixes that one node accepts besides its subnets: looked at one by one for each packet to them. */
export const ACCEPTED_MAX = 64;

/** A node's name: what fits the hello datagram and a table on a terminal (a DNS label, RFC 1035). */
export const NODE_NAME_MAX_BYTES = 63;

/** The version text in a hello: room for a semantic version with a pre-release and a build. */
export const PROGRAM_VERSION_MAX_BYTES = 32;

/** MAC addresses that a node learns: the bound of a small hardware switch (200 KB with its free slots). */
export const MAC_LEARNED_MAX = 4_096;

/** Fixed MAC addresses in a config. */
export const MACS_MAX = 4_096;

/** A learned MAC address that has been silent for so long is forgotten (IEEE 802.1Q, table 8-6). */
export const MAC_AGEING_S = 300;

/** MAC addresses learned or moved per second and peer: forged ones come by the thousand. */
export const MAC_LEARNS_PER_S = 1_000;

/**
 * A config file larger than this is a mistake, not a config: SUBNETS_MAX of the longest IPv6 prefixes
 * at NODES_MAX nodes take 4.5 MB (10,000 short subnets 0.3 MB), and reading the worst file of this
 * size takes a second and 250 MB.
 */
export const CONFIG_MAX_BYTES = 5 * 1024 * 1024;

/**
 * Values in a config, those that aliases repeat counted each time: a few lines of aliases mean
 * billions, and SUBNETS_MAX and NODES_MAX together need some 100,000.
 */
export const CONFIG_VALUES_MAX = 500_000;

/** Line ends behind a backslash in a config, each of which takes the YAML parser 8 µs. */
export const CONFIG_ESCAPED_LINE_ENDS_MAX = 1_000;

/** Opening brackets in a config: NODES_MAX nodes take three each. */
export const CONFIG_BRACKETS_MAX = 50_000;

/** Lines of errors, and of warnings, about one config: more help nobody, the rest is counted. */
export const CONFIG_PROBLEMS_MAX = 20;

/** How long a config is waited for that comes from standard input. */
export const CONFIG_STDIN_TIMEOUT_MS = 10_000;

/** Symbolic links on the way to one file: the kernel's own bound (MAXSYMLINKS, linux/namei.h). */
export const SYMLINKS_MAX = 40;

/** The tutorial's UDP port. */
export const DEFAULT_PORT = 3009;

/** The device's name when the config names none. */
export const DEFAULT_DEVICE = "tunnet0";

/** Packets taken from the device or the socket in one turn: large enough to spread a system call. */
export const BURST_PACKETS = 64;

/** Lanes of one node: a cell each in the shared table, far more than one socket can feed. */
export const LANES_MAX = 16;

/** Lanes that are started without being asked for: each is a thread with some 20 MB. */
export const LANES_AUTO_MAX = 4;

/** ICMP errors a lane may send per second: a scan must not turn into a flood (RFC 1812, 4.3.2.8). */
export const ICMP_ERRORS_PER_S = 100;

/**
 * Hellos of one peer's address that echo no token of ours and are shown to the main thread, per
 * second: a peer that starts again sends one or two. The rest is counted.
 */
export const UNVERIFIED_HELLOS_PER_S = 8;

/** How often the main thread looks at hellos while they keep coming: newer ones replace what waits. */
export const MAIL_INTERVAL_MS = 20;

/** Hellos that are handled in one go, some 30 µs each: signals and status must not wait for more. */
export const MAIL_BATCH = 256;

/** Datagrams from a wrong port shown to the main thread per second; all of them are counted. */
export const WRONG_PORTS_PER_S = 50;

/** Datagrams by a wrong interface told to the main thread per second: a route lookup each (40 µs). */
export const WRONG_INTERFACES_PER_S = 20;

/** How often all peers' routes are looked up because one has changed. */
export const ROUTES_LOOK_INTERVAL_MS = 1_000;

/**
 * Instructions of the socket's filter. The kernel charges the old and the new one, translated to
 * 8 to 16 bytes each, to a socket at a time: 20 KB in all (net.core.optmem_max before Linux 6.8).
 */
export const FILTER_MAX_INSTRUCTIONS = 600;

/** What is looked at of a control datagram: a hello with the longest name is 95 bytes. */
export const CONTROL_MAX_BYTES = 256;

/** Time between two hello datagrams to one peer, unless --hello-interval says otherwise. */
export const HELLO_INTERVAL_MS = 5_000;

/** The shortest that may be asked for: a peer is asked again after a fifth of it. */
export const HELLO_INTERVAL_MIN_MS = 100;

/** The longest: a NAT on the way forgets a UDP flow after 30 s to some minutes. */
export const HELLO_INTERVAL_MAX_MS = 60_000;

/** Missing peers that are looked after at a time: each is a socket. */
export const PROBES_MAX = 64;

/** Numbered hellos that the loss is taken from: one bit of a word each, 160 s without asking. */
export const HELLO_LOSS_WINDOW = 32;

/** How often it is looked whether the lanes use a new table: they take it up within microseconds. */
export const TAKEN_UP_CHECK_INTERVAL_MS = 2;

/** How long a reload may take: a resolver that does not answer gives up after half a minute. */
export const RELOAD_TIMEOUT_MS = 60_000;

/** Lines of one event in LOG_WINDOW_MS; the rest is counted, so that no peer can fill a disk. */
export const LOG_LINES_PER_EVENT = 20;

/** Lines of its log that a node remembers for who asks. */
export const LOG_KEPT_LINES = 200;

/** How much of a line it remembers. */
export const LOG_KEPT_CHARACTERS = 500;

/** The time over which repetitions of a log event are counted. */
export const LOG_WINDOW_MS = 10_000;

/** A shortage that has not been met for so long is told again when it comes back. */
export const SHORTAGE_QUIET_MS = 60_000;

/** A changed config is read when it has been left alone for so long: editors write in several steps. */
export const CONFIG_QUIET_MS = 200;

/** Paths looked at per health check, some 40 µs each: thousands of peers cost no more than these. */
export const PATHS_PER_CHECK = 16;

/** Socket buffers: some 50 ms of 10 Gbit/s in either direction, so that a burst survives a pause. */
export const SOCKET_BUFFER_BYTES = 8 * 1024 * 1024;

/** Descriptors looked at to find our own socket: a fresh process holds a few dozen. */
export const DESCRIPTORS_SEARCHED = 1_024;

/** A lab of one node would have nobody to talk to. */
export const LAB_NODES_MIN = 2;

/** Every node is a process and every pair is pinged both ways: 16 nodes are 240 pings. */
export const LAB_NODES_MAX = 16;

/** How often counters are sampled: a rate is taken over the time between two samples. */
export const RATE_SAMPLE_INTERVAL_MS = 1_000;

/**
 * The past that a node keeps, for the page: an hour coarsely, the last minutes finely. A series has
 * 1.6 kB, and a peer up to four: 26 MB for 4,096 peers that all carry and drop both ways.
 */
export const HISTORY_COARSE_MS = 15_000;
/** An hour of them. */
export const HISTORY_COARSE_SLOTS = 240;
/** Twice as long as between two samples, so that each slot has one however late its timer comes. */
export const HISTORY_FINE_MS = 2_000;
/** Five minutes of them. */
export const HISTORY_FINE_SLOTS = 150;
/** Slots that the next sample fills when they had none of their own: the thread was busy. */
export const HISTORY_FILL_SLOTS = 3;

/** Drops are told as something wrong for so long: they may have been of a moment. */
export const FINDINGS_SPAN_MS = 300_000;

/** Up to so many peers, an answer has all of their past; beyond, a sketch of each. */
export const HISTORY_WHOLE_PEERS_MAX = 16;
/** Values of such a sketch. */
export const HISTORY_SKETCH_VALUES = 30;

/** Subnets of one node that the status lists: it is asked for every second; `check` has them all. */
export const STATUS_SUBNETS_MAX = 64;

/** The status of NODES_MAX nodes with all their subnets stays far below. */
export const STATUS_MAX_BYTES = 32 * 1024 * 1024;

/** A node answers within milliseconds; one that is stopped or hung must not hold `status`. */
export const STATUS_TIMEOUT_MS = 5_000;

/** How often `status --watch` and the page ask. */
export const STATUS_WATCH_INTERVAL_MS = 1_000;

/** A unix socket's path: sun_path is 108 bytes with the closing NUL (linux/un.h). */
export const UNIX_PATH_MAX_BYTES = 107;

/**
 * A snapshot of the status is used for so many times as long as it took to make, so that all who
 * ask take 5 % of the main thread together, be it for two peers or 4,096.
 */
export const STATUS_REUSE_FACTOR = 20;

/** But no longer than this: `status --watch` and the page ask every second. */
export const STATUS_REUSE_MAX_MS = 500;

/** Connections to one status server: each takes a descriptor (of 1,024, often) and 16 KiB. */
export const HTTP_CONNECTIONS_MAX = 64;

/** Connections of one client address (one /64 of IPv6): a browser opens six at a time. */
export const HTTP_CONNECTIONS_PER_ADDRESS_MAX = 32;

/** A request's first line and headers; browsers send less than 2 KiB where there are no cookies. */
export const HTTP_HEAD_MAX_BYTES = 16 * 1024;

/** Header fields of one request. */
export const HTTP_HEADERS_MAX = 100;

/** Nothing that is asked has a body. One that is shorter is read and left unused. */
export const HTTP_BODY_MAX_BYTES = 1024;

/** A request is to be whole, or a new one to begin on an idle connection, within so long. */
export const HTTP_REQUEST_TIMEOUT_MS = 8_000;

/** An answer is to be taken within so long: the status of 4,096 peers at 2 Mbit/s. */
export const HTTP_ANSWER_TIMEOUT_MS = 30_000;

/** A client whose request was refused may read why for so long. */
export const HTTP_REFUSED_TIMEOUT_MS = 2_000;

/** Answers on their way to slow readers, all together: no reader can make them pile up. */
export const HTTP_PENDING_MAX_BYTES = 64 * 1024 * 1024;

/** Requests that one server answers in a second: some 2 % of the main thread. */
export const HTTP_REQUESTS_PER_S = 200;

/** Connections that one server accepts in a second: some 10 % of the main thread. */
export const HTTP_ACCEPTS_PER_S = 1_000;

/** How long a server waits that is over one of its rates. */
export const HTTP_PACE_MS = 10;

/** How long it waits when no connection can be accepted: the process is out of descriptors. */
export const HTTP_ACCEPT_RETRY_MS = 500;

/** How often connections are looked at whose time is over. */
export const HTTP_SWEEP_INTERVAL_MS = 500;

/** Names by which HTTP may be asked: one for each node of a fleet, and `*.NAME` beyond. */
export const HTTP_HOSTS_MAX = 4_096;

/** Port of --http that names none: free in the list of Prometheus exporters' ports. */
export const DEFAULT_HTTP_PORT = 9309;

/** Jumps from chain to chain that the doctor follows: the kernel's own bound is 16. */
export const FIREWALL_JUMPS_MAX = 32;

/** Rules that the doctor looks at for one packet: ten times what large hosts have. */
export const FIREWALL_STEPS_MAX = 200_000;

/** Peers that the doctor asks by hello: each takes a socket and a line. */
export const DOCTOR_PEERS_MAX = 64;

/** VLAN tags that a line shows: IEEE 802.1ad stacks two, and more are seen only in error. */
export const VLAN_TAGS_SHOWN_MAX = 4;

/** IPv6 extension headers that are followed: RFC 8200 names six kinds, hostile chains are longer. */
export const EXTENSION_HEADERS_MAX = 16;

/** Options of one neighbour discovery message that are read: real ones hold a handful. */
export const ND_OPTIONS_MAX = 32;

/** Where a node's private key is, unless its config says otherwise. */
export const PRIVATE_KEY_FILE = "/etc/tunnet/private.key";

/** Bytes of unknown data that a line shows as hex: two lines' worth would hide the rest. */
export const DECODE_HEX_MAX_BYTES = 32;

/** Lines that wait for a slow reader of standard output: some 40,000 of them. */
export const LINES_QUEUE_BYTES = 4 * 1024 * 1024;

/** Captured packets that wait for a slow disk or reader: some 0.1 s at 3 Gbit/s. */
export const CAPTURE_QUEUE_BYTES = 32 * 1024 * 1024;

/** At the end a reader who has stopped reading is waited for so long. */
export const DRAIN_TIMEOUT_MS = 1_000;

/** A capture file holds at least a handful of the largest packets. */
export const CAPTURE_SIZE_MIN_BYTES = 256 * 1024;

/** Capture files kept when they are rotated: each rotation renames every one. */
export const CAPTURE_FILES_MAX = 1_000;
/** Capture files kept when nobody says how many. */
export const CAPTURE_FILES_DEFAULT = 10;

/** Protocols that a summary tells apart: hostile frames have 65,536 EtherTypes. */
export const SUMMARY_PROTOCOLS_MAX = 64;

/** Bytes of a packet that a trace looks at: all headers, and what an ICMP error quotes. */
export const TRACE_SNAP_BYTES = 256;

/** A lane's packets on their way to the trace: some 29,000 of them. A power of two. */
export const TRACE_RING_BYTES = 8 * 1024 * 1024;

/** The same whole, for a capture: 0.1 s at 5 Gbit/s. A power of two. */
export const CAPTURE_RING_BYTES = 64 * 1024 * 1024;

/** How often the trace is looked at: live for the eye, and soon enough for the rings. */
export const TRACE_INTERVAL_MS = 10;

/** How often drops that nobody saw as a packet are told. */
export const LATE_DROPS_INTERVAL_MS = 500;

/** Packets taken from a ring at a time. */
export const TRACE_BATCH_PACKETS = 4_096;

/** Packets are shown for so long of each TRACE_INTERVAL_MS: hellos and signals have the rest. */
export const TRACE_BUDGET_MS = 5;

/** Who may look at a running node's packets at a time: each has a queue of its own. */
export const TRACE_WATCHERS_MAX = 4;

/** Captured packets that wait for a slow reader of a running node's capture. */
export const LIVE_CAPTURE_QUEUE_BYTES = 8 * 1024 * 1024;

/**
 * How long nobody must have looked until the kernel path comes back: whoever looks again and again
 * does not have it made each time.
 */
export const TRACE_END_MS = 1_000;

/** Terms of one filter: nobody types more. */
export const TRACE_FILTER_TERMS_MAX = 64;

/** MTU of the kernel path's helper, which sends nothing: below 1,280 the kernel runs no IPv6 on it. */
export const HELPER_MTU_BYTES = 576;

/**
 * How often a node looks whether the helper's name is free, and how long it waits in between: the
 * kernel removes the helper of a process that was killed within some 20 ms, on a busy host later.
 */
export const HELPER_NAME_ATTEMPTS = 40;
/** The wait in between. */
export const HELPER_NAME_INTERVAL_MS = 50;

/** Packets of a self-test: the helper does not work if none of them comes through. */
export const SELF_TEST_ATTEMPTS = 20;

/** How long it waits between two of them: each gets through within microseconds. */
export const SELF_TEST_INTERVAL_MS = 10;

/** Open packet sockets that are looked at: a list of 100 bytes each (/proc/net/packet). */
export const PACKET_SOCKETS_MAX_BYTES = 64 * 1024;

/** What is read of the list of unix sockets (/proc/net/unix): some ten thousand lines. */
export const UNIX_SOCKETS_MAX_BYTES = 1024 * 1024;

/** Handshakes one source may begin per second when there are too many (as WireGuard for Linux). */
export const HANDSHAKES_PER_S = 20;

/** Handshakes that it may begin at once. */
export const HANDSHAKE_BURST = 5;

/** Sources whose handshakes are counted: forged ones come by the million (0.5 MB). */
export const HANDSHAKE_SOURCES_MAX = 4_096;

/** Time that handshakes may take of the main thread in HANDSHAKE_WINDOW_MS: some 65 of them. */
export const HANDSHAKE_BUDGET_MS = 8;

/**
 * Fewer handshake messages in that time are no load, however long they took: a process that was
 * stopped finds those of minutes in its socket, and its code cold.
 */
export const HANDSHAKES_COUNTED = 64;

/** The time over which that is counted. */
export const HANDSHAKE_WINDOW_MS = 100;

/** Handshake messages that may wait to be looked at: some 25 ms of work. */
export const HANDSHAKES_WAITING_MAX = 200;

/** How long cookies are asked for once handshakes took too long (as WireGuard for Linux). */
export const UNDER_LOAD_MS = 1_000;

/** Handshake messages that a lane hands on in a second: a tenth of a core for the main thread. */
export const HANDSHAKES_HANDED_ON_PER_S = 1_000;

/** Packets without a session that a lane hands on in a second: several bursts of WAITING_MAX. */
export const UNSEALED_PER_S = 4_096;

/** News of where a peer sends from now, from one lane in a second: the rest comes with the next one. */
export const MOVES_PER_S = 100;

/** A peer that is called and answers no handshake for so long is told to be out of reach: two tries. */
export const HANDSHAKE_ANSWER_MS = 8_000;

/** How often the main thread looks what lanes have sent and received by sessions. */
export const SESSION_CHECK_INTERVAL_MS = 100;

/** Packets of one peer that wait while a handshake runs: a burst of one flow. */
export const WAITING_PER_PEER = 64;

/** The same of all peers: 1.5 MB of whole packets. */
export const WAITING_MAX = 1_024;

/** Sessions of one peer whose index has a place: four in use, one being made, the rest to retire. */
export const SESSION_SLOTS = 8;

/** A session sends no message whose counter is this: 2^64 - 2^13 - 1, in two words (WireGuard). */
export const REJECT_AFTER_MESSAGES_HIGH = 0xffff_ffff;
/** Its low word. */
export const REJECT_AFTER_MESSAGES_LOW = 0xffff_dfff;

/** A session that has sent 2^60 messages is replaced (WireGuard's REKEY_AFTER_MESSAGES): high word. */
export const REKEY_AFTER_MESSAGES_HIGH: number = 2 ** 28;

/** Counters that a lane takes of a session at a time: the packets of one super-packet. */
export const NONCE_BLOCK = 64;

/** Counters behind the newest that a receiver still accepts (as WireGuard for Linux: 8,192 bits). */
export const REPLAY_WINDOW = 8_192;

/**
 * Sealed bytes that leave before more is sealed: a super-packet's. To seal one takes as long as to
 * open it, so a lane that gathered many would keep its peer waiting, and then wait for it.
 */
export const SEALED_FLUSH_BYTES: number = 32 * 1024;

/**
 * What is received at once where it has to be opened: up to as many super-packets, 50 µs each, before
 * the lane looks whether something is to be sent, such as their acknowledgments.
 */
export const SEALED_BURST_PACKETS = 8;

/** Shorter packets are sealed by WebAssembly though libcrypto is there: its calls take 0.25 µs alone. */
export const LIBCRYPTO_MIN_BYTES = 512;

/** How often an address that is still tentative is looked at. */
export const ADDRESS_CHECK_INTERVAL_MS = 100;

/** Duplicate address detection takes 1 to 2 s with Linux's settings; an address without carrier waits on. */
export const ADDRESS_TENTATIVE_MAX_MS = 30_000;

/** The port of flannel's udp backend, if the network's configuration names none. */
export const FLANNEL_UDP_PORT = 8285;

/** The port of WireGuard, and of flannel's backend of that name. */
export const WIREGUARD_PORT = 51_820;

/** Where flannel keeps its network in etcd. */
export const ETCD_PREFIX = "/coreos.com/network";

/** Endpoints that are asked one after the other: etcd advises against more than seven members. */
export const ETCD_ENDPOINTS_MAX = 16;

/** A node's record is 200 bytes with a key, and the network's configuration not much more. */
export const ETCD_VALUE_MAX_BYTES = 4_096;

/** Records that are kept, those that are left out too: some nodes have one of an earlier subnet. */
export const ETCD_RECORDS_MAX: number = 2 * NODES_MAX;

/** The longest answer: ETCD_RECORDS_MAX records take some 3 MB. */
export const ETCD_ANSWER_MAX_BYTES = 16 * 1024 * 1024;

/** One endpoint answers within so long, or another is asked: a stopped one says nothing at all. */
export const ETCD_TIMEOUT_MS = 3_000;

/** How often the member that the watch is at is asked whether it still has a leader. */
export const ETCD_PROBE_INTERVAL_MS = 5_000;

/** How often all records are read though nothing seems to be missing. */
export const ETCD_RELIST_INTERVAL_MS = 600_000;

/** A failed call is made again after so long, and after twice as long each time it fails again. */
export const ETCD_RETRY_MIN_MS = 250;

/** But no later than this: whoever waits for etcd sees it come back. */
export const ETCD_RETRY_MAX_MS = 5_000;

/** A lease is renewed this often at least: a lost one is noticed, and status tells that it is held. */
export const ETCD_RENEW_MAX_MS = 60_000;

/** How long a node keeps its subnet while etcd does not hear from it: flannel's 24 hours. */
export const ETCD_LEASE_MS = 86_400_000;

/** The shortest lease: an election takes a second or two. */
export const ETCD_LEASE_MIN_MS = 5_000;

/** Subnets that are tried one after the other because others were faster. */
export const ETCD_CLAIMS_MAX = 16;

/** How often changed members are written to the state directory at most. */
export const ETCD_SAVE_INTERVAL_MS = 5_000;

/** Where flannel's CNI plugin looks for this node's subnet. */
export const SUBNET_FILE = "/run/flannel/subnet.env";

/** What a node remembers from one start to the next. */
export const STATE_DIR = "/var/lib/tunnet";
