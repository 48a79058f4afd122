/** Reads pcap and pcapng files by their specifications, knowing nothing of our encoder. */

/** A packet of a capture file. */
export interface CapturedPacket {
  readonly interface: number;
  readonly time_ns: bigint;
  readonly bytes: Uint8Array;
  readonly length_bytes: number;
  readonly comment?: string;
  /** epb_flags' direction: 1 in, 2 out; 0 in a format without. */
  readonly direction: number;
}

/** An interface of a capture file. */
export interface CapturedInterface {
  readonly linkType: number;
  readonly name?: string;
  /** From its statistics block. */
  received?: bigint;
  dropped?: bigint;
}

/** A whole capture file. */
export interface CaptureFile {
  readonly interfaces: readonly CapturedInterface[];
  readonly packets: readonly CapturedPacket[];
}

const text = new TextDecoder();

/** pcap, as tcpdump writes it: microseconds, this machine's byte order. */
function readClassic(view: DataView): CaptureFile {
  const packets: CapturedPacket[] = [];
  for (let at = 24; at < view.byteLength;) {
    const [seconds, us] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
    const held = view.getUint32(at + 8, true);
    packets.push({
      interface: 0,
      time_ns: BigInt(seconds) * 1_000_000_000n + BigInt(us) * 1000n,
      bytes: new Uint8Array(view.buffer, view.byteOffset + at + 16, held),
      length_bytes: view.getUint32(at + 12, true),
      direction: 0,
    });
    at += 16 + held;
  }
  return { interfaces: [{ linkType: view.getUint32(20, true) }], packets };
}

function readOptions(view: DataView, from: number, to: number): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  for (let at = from; at + 4 <= to;) {
    const [code, length] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    if (code === 0) {
      if (at + 4 !== to || length !== 0) throw new Error("opt_endofopt is not the end");
      break;
    }
    if (at + 4 + length > to) throw new Error("an option is longer than its block");
    options.set(code, new Uint8Array(view.buffer, view.byteOffset + at + 4, length));
    at += 4 + ((length + 3) & ~3);
  }
  return options;
}

const u64 = (bytes: Uint8Array | undefined): bigint | undefined =>
  bytes && new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);

/** Throws where the file breaks a rule of the format. */
function readNext(view: DataView): CaptureFile {
  const interfaces: CapturedInterface[] = [];
  const packets: CapturedPacket[] = [];
  for (let at = 0; at < view.byteLength;) {
    const type = view.getUint32(at, true);
    const total = view.getUint32(at + 4, true);
    if (total % 4 !== 0 || total < 12 || view.getUint32(at + total - 4, true) !== total) {
      throw new Error(`block of type ${type} at ${at} has a wrong length ${total}`);
    }
    const end = at + total - 4;
    const body = at + 8;
    if (at === 0 && type !== 0x0a0d0d0a) throw new Error("no section header");
    if (type === 0x0a0d0d0a && view.getUint32(body, true) !== 0x1a2b3c4d) {
      throw new Error("wrong byte order magic");
    } else if (type === 1) {
      const options = readOptions(view, body + 8, end);
      if (options.get(9)?.[0] !== 9) throw new Error("times are not nanoseconds");
      interfaces.push({
        linkType: view.getUint16(body, true),
        name: text.decode(options.get(2)),
      });
    } else if (type === 6) {
      const index = view.getUint32(body, true);
      if (index >= interfaces.length) throw new Error(`packet of unknown interface ${index}`);
      const held = view.getUint32(body + 12, true);
      const options = readOptions(view, body + 20 + ((held + 3) & ~3), end);
      const comment = options.get(1);
      packets.push({
        interface: index,
        time_ns: (BigInt(view.getUint32(body + 4, true)) << 32n) +
          BigInt(view.getUint32(body + 8, true)),
        bytes: new Uint8Array(view.buffer, view.byteOffset + body + 20, held),
        length_bytes: view.getUint32(body + 16, true),
        ...(comment ? { comment: text.decode(comment) } : {}),
        direction: (options.get(2)?.[0] ?? 0) & 3,
      });
    } else if (type === 5) {
      const options = readOptions(view, body + 12, end);
      const one = interfaces[view.getUint32(body, true)]!;
      one.received = u64(options.get(4))!;
      one.dropped = u64(options.get(5))!;
    }
    at += total;
  }
  return { interfaces, packets };
}

/** Reads a capture file of either format. */
export function readCapture(bytes: Uint8Array): CaptureFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint32(0, true) === 0xa1b2c3d4 ? readClassic(view) : readNext(view);
}
