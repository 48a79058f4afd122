/**
 * The program on the tunnel device's egress, where it is at home: this process has a network
 * namespace with a TUN device t0, whose egress the program is on, and a pair of devices u0 and u1
 * for the underlay. A packet socket sends whatever it is told out of t0; this process reads what
 * goes on into the device, and another packet socket what arrives at u1.
 *
 * One command a line on standard input: packets in hexadecimal, and `counts`.
 */

import { libc } from "../../ffi/libc.ts";
import { POLLFD, POLLIN } from "../../ffi/file.ts";
import { MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_RAW } from "../../ffi/socket.ts";
import { attachProgram, BpfMap, loadProgram } from "../../src/kernel_path/bpf/syscalls.ts";
import {
  COUNTS,
  EVENTS,
  PEER,
  SENDER,
  senderKeyLayout,
} from "../../src/kernel_path/maps/records.ts";
import { type KernelPathPeer, KernelTables } from "../../src/kernel_path/maps/tables.ts";
import { Tally } from "../../src/kernel_path/maps/tally.ts";
import { wayOut } from "../../src/kernel_path/programs/tun_egress.ts";
import { openRtnetlink } from "../../src/host/netlink/linux.ts";
import { openTun } from "../../src/io/tun_linux.ts";
import type { Route } from "../../src/forwarding/prefixes.ts";
import { parseAddress, parsePrefix } from "../../src/net/prefix.ts";

/** packet(7), linux/if_packet.h, linux/if_ether.h. */
const AF_PACKET = 17;
const ETH_P_ALL = 0x0003;
const SOCKADDR_LL = { size: 20, family: 0, protocol: 2, ifindex: 4 } as const;

const PACKET_MAX_BYTES = 65_536;
/** The kernel hands a packet on within the call that sends it, unless its queues run late. */
const ARRIVES_MS = 2_000;

/** What the driver is started with. */
export interface EgressSetup {
  readonly ipVersion: 4 | 6;
  readonly port: number;
  /** This node's own address. */
  readonly source: string;
  readonly peers: readonly (Omit<KernelPathPeer, "address" | "source" | "ifindex"> & {
    readonly address: string;
  })[];
  /** Prefixes and who owns them. */
  readonly routes: readonly (readonly [prefix: string, hop: number])[];
  readonly defaultPeer: number;
}

function bytesOf(address: string): Uint8Array {
  const parsed = parseAddress(address);
  if (!parsed) throw new Error(`${address}: no address`);
  return parsed.bytes;
}

function routeOf([text, hop]: EgressSetup["routes"][number]): Route {
  const parsed = parsePrefix(text);
  if (!parsed) throw new Error(`${text}: no prefix`);
  return { prefix: parsed.prefix, hop };
}

/** A packet socket on a device; with a protocol it receives. */
function packetSocket(ifindex: number, protocol: number): number {
  const { call, check } = libc();
  const fd = check("socket", call.socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  const address = new Uint8Array(SOCKADDR_LL.size);
  const view = new DataView(address.buffer);
  view.setUint16(SOCKADDR_LL.family, AF_PACKET, true);
  view.setUint16(SOCKADDR_LL.protocol, protocol);
  view.setUint32(SOCKADDR_LL.ifindex, ifindex, true);
  check("bind", call.bind(fd, address, address.length));
  return fd;
}

/** Loads and attaches the program; its counts. */
function attach(setup: EgressSetup, tunIfindex: number, underlayIfindex: number): Tally {
  const addressBytes = setup.ipVersion === 4 ? 4 : 16;
  const maps = {
    routes4: new BpfMap("lpmTrie", 8, 4, 20),
    routes6: new BpfMap("lpmTrie", 20, 4, 20),
    peers: new BpfMap("hash", 4, PEER.size, 10),
    senders: new BpfMap("hash", senderKeyLayout(addressBytes).size, SENDER.size, 10),
    counts: new BpfMap("perCpuHash", 4, COUNTS.size, 10),
    events: new BpfMap("perCpuArray", 4, EVENTS.size, 1),
  };
  const peers = setup.peers.map((peer) => ({
    ...peer,
    address: bytesOf(peer.address),
    source: bytesOf(setup.source),
    ifindex: underlayIfindex,
  }));
  const tables = new KernelTables(maps);
  tables.setRoutes(setup.routes.map(routeOf), setup.defaultPeer);
  for (const peer of peers) tables.setPeer(peer);
  const { routes4, routes6, peers: byIndex, counts, events } = maps;
  const program = loadProgram(
    "test_out",
    wayOut({
      routes4: routes4.fd,
      routes6: routes6.fd,
      peers: byIndex.fd,
      counts: counts.fd,
      events: events.fd,
      ipVersion: setup.ipVersion,
      port: setup.port,
      tunIfindex,
    }),
  );
  attachProgram(program, tunIfindex, "out");
  return new Tally(counts, events);
}

/** The frame that arrives at u1, or the packet that goes into the device. */
class Outcome {
  readonly #poll = new Uint8Array(2 * POLLFD.size);
  readonly #buffer = new Uint8Array(PACKET_MAX_BYTES);

  constructor(readonly tun: number, readonly underlay: number) {
    const view = new DataView(this.#poll.buffer);
    for (const [i, fd] of [tun, underlay].entries()) {
      view.setInt32(i * POLLFD.size + POLLFD.fd, fd, true);
      view.setInt16(i * POLLFD.size + POLLFD.events, POLLIN, true);
    }
  }

  wait(): string {
    for (;;) {
      const outcome = this.#next();
      // u0 speaks for itself to the groups of IPv6 (RFC 2464, section 7).
      if (!outcome.startsWith("underlay 3333")) return outcome;
    }
  }

  #next(): string {
    const { call, check } = libc();
    const view = new DataView(this.#poll.buffer);
    if (check("poll", call.poll(this.#poll, 2, ARRIVES_MS)) === 0) return "none";
    const intoDevice = (view.getInt16(POLLFD.revents, true) & POLLIN) !== 0;
    const size = intoDevice
      ? call.read(this.tun, Deno.UnsafePointer.of(this.#buffer), this.#buffer.length)
      : call.recv(this.underlay, this.#buffer, this.#buffer.length, MSG_DONTWAIT);
    const hex = this.#buffer.subarray(0, check("receive", size)).toHex();
    return `${intoDevice ? "device" : "underlay"} ${hex}`;
  }
}

function drive(setup: EgressSetup): (line: string) => string {
  const { call } = libc();
  const tun = openTun("t0", "tun", new Set());
  using rt = openRtnetlink();
  const [t0, u0, u1] = ["t0", "u0", "u1"].map((name) => rt.getLink(name)!.index);
  rt.setLink(t0!, { up: true });
  const tally = attach(setup, t0!, u0!);
  const out = packetSocket(t0!, 0);
  const outcome = new Outcome(tun.queues[0]!, packetSocket(u1!, ETH_P_ALL));
  return (line) => {
    if (line === "counts") {
      const carried = setup.peers.map(({ index }) => [index, tally.carried(index)!.outbound]);
      return JSON.stringify(carried);
    }
    const packet = Uint8Array.fromHex(line);
    return call.send(out, packet, packet.length, 0) < 0 ? "refused" : outcome.wait();
  };
}

if (import.meta.main) {
  const answer = drive(JSON.parse(Deno.args[0]!));
  let rest = "";
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) console.log(answer(line));
  }
}
