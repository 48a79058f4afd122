/** The ICMP errors with which a lane replies to packets and frames, through the device they came from. */

import { ICMP_ERRORS_PER_S } from "../base/limits.ts";
import { ICMP_ERROR_MAX_BYTES, type IcmpReason, writeIcmpError } from "../net/icmp_error.ts";
import { type PacketDevice, WRITE } from "../io/device.ts";
import { VNET_BYTES, writePlainVnet } from "../offload/vnet.ts";
import { Burst } from "../io/arena.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import type { OwnAddresses } from "../forwarding/own_addresses.ts";
import { COUNTER } from "../forwarding/counters.ts";
import type { LaneRecord } from "./observer.ts";
import type { Packet } from "./packet.ts";
import { RateLimit } from "./rate_limit.ts";

/** Both MAC addresses of an Ethernet header. */
const MAC_BYTES = 6;
/** Where the reply's packet starts: a virtio header and an Ethernet header with tags fit before it. */
const PACKET_AT = 64;

/** Writes replies, and not too many of them. */
export class IcmpReply {
  readonly #burst = new Burst(1);
  readonly #packet: DataView;
  readonly #offset = new Int32Array(1);
  readonly #length = new Int32Array(1);
  readonly #limit: RateLimit;
  #own: OwnAddresses | undefined;

  constructor(
    readonly device: PacketDevice,
    readonly counters: LaneRecord,
    now_ms: () => number,
  ) {
    this.#packet = new DataView(this.#burst.bytes.buffer, PACKET_AT, ICMP_ERROR_MAX_BYTES);
    this.#limit = new RateLimit(ICMP_ERRORS_PER_S, now_ms);
  }

  /** Takes over what the table has acquired. */
  useTable({ own }: LaneTable): void {
    this.#own = own;
  }

  /**
   * Replies to a packet that has passed `checkPacket`. In a frame, the reply goes
   * back to the frame's source, from its destination, with the same tags. An
   * opaque frame gets none.
   */
  answer(reason: IcmpReason, view: DataView, packet: Packet, mtu_bytes: number): void {
    const { offset, length, version, ethernet_bytes } = packet;
    if (version === 0 || !this.#limit.take()) return;
    // A switch has no address of its own.
    const own = ethernet_bytes > 0 ? undefined : this.#own?.get(version);
    const error = this.#packet;
    const size = writeIcmpError(error, view, offset, length, version, reason, mtu_bytes, own);
    if (size === 0) return;
    const out = this.#burst.view;
    const start = PACKET_AT - ethernet_bytes;
    const frame = offset - ethernet_bytes;
    for (let i = 0; i < ethernet_bytes; i++) {
      const from = i < MAC_BYTES ? i + MAC_BYTES : i < 2 * MAC_BYTES ? i - MAC_BYTES : i;
      out.setUint8(start + i, view.getUint8(frame + from));
    }
    writePlainVnet(out, start - VNET_BYTES);
    this.#offset[0] = start - VNET_BYTES;
    this.#length[0] = VNET_BYTES + ethernet_bytes + size;
    const result = this.device.write(this.#burst, this.#offset, this.#length, 1);
    if (result !== WRITE.ok) return;
    this.counters.totals[COUNTER.icmp_errors]!++;
    this.counters.observer?.answered(out, start, ethernet_bytes + size);
  }
}
