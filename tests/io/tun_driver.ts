/**
 * What a tun or tap device of this kernel does, in the network namespace that
 * this process was started in: `tun_driver.ts SCENARIO` prints what came of it
 * as JSON. Started by tun_linux_test.ts.
 */

import { RunError } from "../../src/base/errors.ts";
import { Burst } from "../../src/io/arena.ts";
import { DEVICE_GONE, type OpenTun, WRITE } from "../../src/io/device.ts";
import type { Feature } from "../../src/base/features.ts";
import { closeQueues, closeTun, LinuxTun, openTun } from "../../src/io/tun_linux.ts";
import { VNET, VNET_BYTES, writePlainVnet } from "../../src/offload/vnet.ts";
import { frame } from "../fakes/frames.ts";
import { ipv4 } from "../fakes/packets.ts";

const NAME = "t0";
const NONE: ReadonlySet<Feature> = new Set();
const HERE = "10.9.0.1";
const THERE = "10.9.0.2";

function ip(words: string): void {
  const { success, stderr } = new Deno.Command("ip", { args: words.split(" ") }).outputSync();
  if (!success) throw new Error(`ip ${words}: ${new TextDecoder().decode(stderr)}`);
}

/** The device with an address and up; nothing but what the tests send goes out by it. */
function up(open: OpenTun): LinuxTun {
  ip(`address add ${HERE}/24 dev ${NAME}`);
  // Before it is up: no router is asked for.
  Deno.writeTextFileSync(`/proc/sys/net/ipv6/conf/${NAME}/disable_ipv6`, "1");
  ip(`link set ${NAME} up`);
  return new LinuxTun(open);
}

const UDP_HEADER = [0x0f, 0xa0, 0x0f, 0xa1];

/** A UDP packet from the other side to `port`, without a checksum. */
function udp(port: number, payload: readonly number[]): Uint8Array {
  const length = 8 + payload.length;
  const header = [UDP_HEADER[0]!, UDP_HEADER[1]!, port >> 8, port & 0xff, 0, length, 0, 0];
  return ipv4(THERE, HERE, [...header, ...payload], { protocol: 17 });
}

/** Writes one packet or frame. */
function write(device: LinuxTun, bytes: Uint8Array): string {
  const burst = new Burst(1);
  const at = burst.offset(0) - VNET_BYTES;
  writePlainVnet(burst.view, at);
  burst.bytes.set(bytes, burst.offset(0));
  const offset = Int32Array.of(at);
  const length = Int32Array.of(VNET_BYTES + bytes.length);
  const result = device.write(burst, offset, length, 1);
  return Object.entries(WRITE).find(([, value]) => value === result)![0];
}

/** Sends so many bytes to the other side; what the device hands out, and its virtio header. */
async function handedOut(device: LinuxTun, size: number, count = 1) {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: HERE, port: 4000 });
  for (let i = 0; i < count; i++) {
    const to = { transport: "udp", hostname: THERE, port: 4001 } as const;
    await socket.send(new Uint8Array(size).fill(i), to);
  }
  socket.close();
  const burst = new Burst(4);
  const taken: { length: number; first: number; last: number; flags: number; gso: number }[] = [];
  while (device.read(burst, taken.length) === 1) {
    const slot = taken.length;
    const at = burst.offset(slot);
    const length = burst.length[slot]!;
    taken.push({
      length,
      first: burst.bytes[at]!,
      last: burst.bytes[at + length - 1]!,
      flags: burst.view.getUint8(at - VNET_BYTES + VNET.flags),
      gso: burst.view.getUint8(at - VNET_BYTES + VNET.gsoType),
    });
  }
  return taken;
}

function failure(open: () => unknown): string {
  try {
    open();
    return "none";
  } catch (error) {
    if (!(error instanceof RunError)) throw error;
    return error.message;
  }
}

/** Each is one test. */
export const SCENARIOS = {
  /** Out and in, without a virtio header. */
  plain: async () => {
    const open = openTun(NAME, "tun", NONE);
    const device = up(open);
    const out = await handedOut(device, 32, 3);
    const socket = Deno.listenDatagram({ transport: "udp", hostname: HERE, port: 4000 });
    const written = write(device, udp(4000, [1, 2, 3]));
    const [bytes] = await socket.receive();
    socket.close();
    return { vnet: open.vnet, features: open.features, out, written, bytes: [...bytes] };
  },
  /** A checksum that the kernel leaves to us. */
  vnet: async () => {
    const open = openTun(NAME, "tun", new Set<Feature>(["vnet", "csum", "partial", "tso4"]));
    const device = up(open);
    const out = await handedOut(device, 32);
    const socket = Deno.listenDatagram({ transport: "udp", hostname: HERE, port: 4000 });
    const written = write(device, udp(4000, [1, 2, 3]));
    const [bytes] = await socket.receive();
    socket.close();
    return { vnet: open.vnet, features: open.features, out, written, bytes: [...bytes] };
  },
  /** A frame in, and ARP's question out. */
  tap: async () => {
    const device = up(openTun(NAME, "tap", NONE));
    const out = await handedOut(device, 32);
    const written = write(device, frame("ff:ff:ff:ff:ff:ff", "02:00:00:00:00:02", 0x800, [0x45]));
    return { lengths: out.map(({ length }) => length), first: out[0]?.first, written };
  },
  /** What writes come back with. */
  writes: () => {
    const device = new LinuxTun(openTun(NAME, "tun", NONE));
    const down = write(device, udp(4000, []));
    ip(`link set ${NAME} up`);
    const noPacket = write(device, Uint8Array.of(0x10, 0, 0, 0));
    const good = write(device, udp(4000, []));
    return { down, noPacket, good };
  },
  /** The device is deleted under us. */
  gone: () => {
    const device = up(openTun(NAME, "tun", NONE));
    const burst = new Burst(1);
    const before = device.read(burst, 0);
    ip(`link delete ${NAME}`);
    const read = device.read(burst, 0) === DEVICE_GONE ? "gone" : "there";
    return { before, read, written: write(device, udp(4000, [])) };
  },
  /** Devices that cannot be had. */
  refused: () => {
    ip(`tuntap add ${NAME} mode tap`);
    const otherMode = failure(() => openTun(NAME, "tun", NONE));
    openTun("t1", "tun", NONE);
    const busy = failure(() => openTun("t1", "tun", NONE));
    return { otherMode, busy };
  },
  /** Queues: as many as wanted, or the one of a device that was made without. */
  queues: () => {
    const several = openTun(NAME, "tun", NONE, 3);
    const distinct = new Set(several.queues).size;
    closeTun(several);
    ip(`tuntap add ${NAME} mode tun`);
    const present = openTun(NAME, "tun", NONE, 3);
    ip(`tuntap add t1 mode tun multi_queue`);
    const one = openTun("t1", "tun", NONE, 1);
    return { distinct, present: present.queues.length, one: one.queues.length };
  },
  /** Descriptors of a device that was deleted make it again; so often, with so many queues. */
  async spare() {
    const made: number[] = [];
    const heard: number[] = [];
    const spare: number[] = [];
    for (const queues of [1, 1, 2, 2]) {
      const open = openTun(NAME, "tun", new Set<Feature>(["vnet", "csum"]), queues, spare);
      const device = up(open);
      // Of several queues, the packet may be in another one.
      if (queues === 1) heard.push((await handedOut(device, 32)).length);
      made.push(...open.queues);
      ip(`link del ${NAME}`);
      spare.push(...open.queues);
    }
    // One that cannot be made uses none of them up.
    ip("tuntap add t9 mode tap");
    const refused = failure(() => openTun("t9", "tun", NONE, 1, spare));
    const left = spare.length;
    closeQueues(spare);
    return { distinct: new Set(made).size, heard, refused, left };
  },
} as const;

if (import.meta.main) {
  const scenario = SCENARIOS[Deno.args[0] as keyof typeof SCENARIOS];
  console.log(JSON.stringify(await scenario()));
}
