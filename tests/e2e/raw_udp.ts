/** UDP datagrams from addresses that are not this host's, by a raw socket: IPv4 and IPv6. */

import { libc } from "../../ffi/libc.ts";
import { AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_RAW } from "../../ffi/socket.ts";
import { sockaddr } from "../../src/io/sockaddr.ts";
import { parseAddress } from "../../src/net/prefix.ts";
import { slowChecksum } from "../fakes/packets.ts";

/** A raw socket whose sender writes the IP header (raw(7)). */
const IPPROTO_RAW = 255;
const UDP_PROTOCOL = 17;
/** Datagrams are sent in bursts of this many milliseconds. */
const BURST_MS = 20;

const word = (value: number) => [value >> 8, value & 0xff];

/** Sends to one address and port. */
export class RawUdp {
  readonly #libc = libc();
  readonly #target: Uint8Array;
  readonly #to: Uint8Array<ArrayBuffer>;
  readonly #fd: number;
  sent = 0;

  constructor(target: string, readonly port: number) {
    this.#target = parseAddress(target)!.bytes;
    this.#to = sockaddr(this.#target, 0);
    const family = this.#target.length === 4 ? AF_INET : AF_INET6;
    const { call, check } = this.#libc;
    this.#fd = check("socket", call.socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  }

  /** A datagram to the target from any address; `summed`: with a UDP checksum. */
  packet(
    sourceText: string,
    port: number,
    payload: ArrayLike<number>,
    summed = true,
  ): Uint8Array<ArrayBuffer> {
    const source = parseAddress(sourceText)!.bytes;
    const target = this.#target;
    const bytes = Array.from(payload);
    const length = 8 + bytes.length;
    const ports = [...word(port), ...word(this.port), ...word(length)];
    const pseudo = [...source, ...target, 0, UDP_PROTOCOL, ...word(length)];
    const sum = slowChecksum([...pseudo, ...ports, 0, 0, ...bytes]) || 0xffff;
    const udp = [...ports, ...word(summed ? sum : 0), ...bytes];
    // The kernel fills in IPv4's checksum.
    const header = target.length === 4
      ? [0x45, 0, ...word(20 + length), 0, 0, 0, 0, 64, UDP_PROTOCOL, 0, 0, ...source, ...target]
      : [0x60, 0, 0, 0, ...word(length), UDP_PROTOCOL, 64, ...source, ...target];
    return Uint8Array.from([...header, ...udp]);
  }

  /** Sends one packet. */
  send(packet: Uint8Array<ArrayBuffer>): void {
    const { call } = this.#libc;
    if (call.sendto(this.#fd, packet, packet.length, 0, this.#to, this.#to.length) >= 0) {
      this.sent++;
    }
  }

  /** Sends packets in turn, `rate` a second; what is in the array may change meanwhile. */
  async flood(
    packets: readonly Uint8Array<ArrayBuffer>[],
    rate: number,
    seconds: number,
  ): Promise<void> {
    const start_ms = performance.now();
    const end_ms = start_ms + 1000 * seconds;
    for (let tried = 0; performance.now() < end_ms;) {
      const due = (performance.now() - start_ms) * rate / 1000;
      for (; tried < due; tried++) this.send(packets[tried % packets.length]!);
      await new Promise((resolve) => setTimeout(resolve, BURST_MS));
    }
  }

  close(): void {
    this.#libc.call.close(this.#fd);
  }
}
