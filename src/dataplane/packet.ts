/** A packet of an outbound burst: where it lies, and what of it has been read. */

/**
 * An IP packet, alone or in an Ethernet frame; or a frame of which only the
 * Ethernet header is looked at. One object serves all packets of a lane.
 */
export class Packet {
  /** Where the IP packet starts; of an opaque frame: where the frame does. */
  offset = 0;
  /** Its length, without the Ethernet header before it. */
  length = 0;
  /** The IP version; 0: an opaque frame. */
  version: 0 | 4 | 6 = 0;
  /** Bytes of Ethernet header that lie before the IP packet and go along. */
  ethernet_bytes = 0;

  /** Where all of it starts. */
  get start(): number {
    return this.offset - this.ethernet_bytes;
  }

  /** The length of all of it. */
  get total_bytes(): number {
    return this.ethernet_bytes + this.length;
  }

  /** Describes another packet. */
  set(offset: number, length: number, version: 0 | 4 | 6, ethernet_bytes: number): void {
    this.offset = offset;
    this.length = length;
    this.version = version;
    this.ethernet_bytes = ethernet_bytes;
  }
}
