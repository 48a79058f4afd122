import { assertEquals } from "../../assert.ts";
import { FakeDevice, NO_FEATURES } from "../../fakes/device.ts";
import { acquired, publishedTable } from "../../fakes/table.ts";
import { ipv4 } from "../../fakes/packets.ts";
import type { RunError } from "../../../src/base/errors.ts";
import { COUNTER, type CounterName } from "../../../src/forwarding/counters.ts";
import { type AsyncWait, DatagramLanes } from "../../../src/dataplane/lanes/main_thread_lanes.ts";
import { LOCAL } from "../../../src/forwarding/prefixes.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";
import type { WrongPortDatagram } from "../../../src/dataplane/inbound.ts";
import type { LaneEnd } from "../../../src/dataplane/lanes/lane.ts";
import type { OpenTun } from "../../../src/io/device.ts";

const PEER: Deno.NetAddr = { transport: "udp", hostname: "192.168.0.7", port: 3009 };
const OUTSIDER: Deno.NetAddr = { ...PEER, hostname: "192.168.0.9" };
const OTHER_PORT: Deno.NetAddr = { ...PEER, port: 3010 };

/** A connection in memory: `arrive` gives receive() its answer, send() keeps copies or fails. */
class FakeConnection {
  sent: { bytes: Uint8Array; to: Deno.Addr }[] = [];
  failure: Error | undefined;
  path_bytes = 1000;
  #waiting = Promise.withResolvers<[Uint8Array<ArrayBuffer>, Deno.Addr]>();
  #asked = Promise.withResolvers<void>();

  receive(): Promise<[Uint8Array<ArrayBuffer>, Deno.Addr]> {
    this.#asked.resolve();
    return this.#waiting.promise;
  }

  async send(bytes: Uint8Array, to: Deno.Addr): Promise<number> {
    await Promise.resolve();
    if (this.failure) throw this.failure;
    this.sent.push({ bytes, to });
    return bytes.length;
  }

  /** Resolves when the lane has taken it in and asks for the next. */
  async arrive(bytes: Uint8Array<ArrayBuffer>, from: Deno.Addr): Promise<void> {
    await this.#asked.promise;
    const { resolve } = this.#waiting;
    this.#waiting = Promise.withResolvers();
    this.#asked = Promise.withResolvers();
    resolve([bytes, from]);
    await this.#asked.promise;
  }

  close(): void {
    this.#waiting.reject(new Error("closed"));
  }
}

/** Sleeps until it is woken; `asleep` resolves when somebody sleeps. */
class FakeWait implements AsyncWait {
  closed = false;
  #sleep = Promise.withResolvers<boolean>();
  #asleep = Promise.withResolvers<void>();

  sleep(): Promise<boolean> {
    this.#asleep.resolve();
    return this.#sleep.promise;
  }
  async readable(): Promise<void> {
    const { resolve } = this.#sleep;
    this.#sleep = Promise.withResolvers();
    this.#asleep = Promise.withResolvers();
    resolve(true);
    await this.#asleep.promise;
  }
  get asleep(): Promise<void> {
    return this.#asleep.promise;
  }
  wake(): void {
    this.#sleep.resolve(true);
  }
  close(): void {
    this.closed = true;
  }
}

const OPEN: OpenTun = { queues: [7], vnet: false, features: NO_FEATURES };

async function setup() {
  const connection = new FakeConnection();
  const devices: FakeDevice[] = [];
  const waits: FakeWait[] = [];
  const heard: WrongPortDatagram[] = [];
  const ends: (LaneEnd | RunError)[] = [];
  const lanes = new DatagramLanes({
    connection,
    paths: { maxDatagram: () => connection.path_bytes, allowFragments: () => {} },
    openDevice: () => {
      devices.push(new FakeDevice());
      return devices.at(-1)!;
    },
    openWait: () => {
      waits.push(new FakeWait());
      return waits.at(-1)!;
    },
    control: {
      onMail: () => {},
      onWrongPort: (datagram) => heard.push(datagram),
      onWrongInterface: () => {},
    },
    onEnd: (reason) => ends.push(reason),
  });
  const peers = [{ address: PEER.hostname, subnets: ["172.2.0.0/16"], mtu_bytes: 1000 }];
  lanes.table.setPeer(0, acquired(publishedTable(peers)).peer(0));
  lanes.table.publishRoutes([OWN, { ...ROUTE, hop: 0 }], -1);
  await lanes.start(OPEN);
  await waits[0]!.asleep;
  const count = (direction: "outbound" | "inbound", name: CounterName) =>
    lanes.countersOf(direction).totals[COUNTER[name]]!;
  return { connection, devices, waits, heard, ends, lanes, count };
}

const OWN = { prefix: parsePrefix("172.1.0.0/16")!.prefix, hop: LOCAL };
const ROUTE = {
  prefix: { version: 4 as const, bytes: Uint8Array.of(172, 2, 0, 0), length_bits: 16 },
};
const out = (n: number) => ipv4("172.1.0.2", "172.2.0.2", [n]);
const back = ipv4("172.2.0.2", "172.1.0.2");

Deno.test("datagram engine: packets leave in order, and arrive from known peers only", async () => {
  const { connection, devices, waits, heard, lanes, count } = await setup();
  devices[0]!.waiting = Array.from({ length: 200 }, (_, n) => out(n));
  await waits[0]!.readable();
  assertEquals(
    connection.sent.map(({ bytes }) => bytes[20]),
    Array.from({ length: 200 }, (_, n) => n),
  );
  assertEquals(connection.sent[0], { bytes: out(0), to: PEER });
  assertEquals([count("outbound", "packets"), count("outbound", "bytes")], [200, 200 * 21]);

  await connection.arrive(back, PEER);
  await connection.arrive(back, OUTSIDER);
  await connection.arrive(Uint8Array.of(0xf1, 1), PEER);
  await connection.arrive(back, OTHER_PORT);
  assertEquals(devices[0]!.written, [back]);
  lanes.mailbox.take(9, ({ peer, bytes }) => assertEquals([peer, [...bytes]], [0, [0xf1, 1]]));
  const address = Uint8Array.of(192, 168, 0, 7);
  assertEquals(heard, [
    { sender: { address, port: 3010 }, bytes: new Uint8Array(0) },
  ]);
  assertEquals(
    (["packets", "unknown_peer", "wrong_port"] as const).map((name) => count("inbound", name)),
    [1, 1, 1],
  );
  await lanes.stop();
  connection.close();
});

Deno.test("datagram engine: a failed send is a drop with a name, and blocks nothing", async () => {
  const { connection, devices, waits, lanes, count } = await setup();
  const cases = [["EMSGSIZE", "too_big"], ["ENOBUFS", "send_queue_full"], ["EPERM", "send_failed"]];
  for (const [code, name] of cases) {
    connection.failure = Object.assign(new Error("no"), { code });
    devices[0]!.waiting = [out(1), out(2)];
    await waits[0]!.readable();
    assertEquals(count("outbound", name as CounterName), 2, code);
    await connection.arrive(back, PEER);
  }
  assertEquals([count("outbound", "packets"), count("inbound", "packets")], [0, 3]);
  connection.failure = undefined;
  devices[0]!.waiting = [out(3)];
  await waits[0]!.readable();
  assertEquals(connection.sent.length, 1);
  await lanes.stop();
  connection.close();
});

Deno.test("datagram engine: the sender of what a path refused is told", async () => {
  const { connection, devices, waits, lanes } = await setup();
  connection.failure = Object.assign(new Error("no"), { code: "EMSGSIZE" });
  connection.path_bytes = 600;
  devices[0]!.waiting = [ipv4("172.1.0.2", "172.2.0.2", Array<number>(800).fill(7))];
  await waits[0]!.readable();
  // ICMP "fragmentation needed", 600 bytes (RFC 1191).
  assertEquals(devices[0]!.written.map((packet) => [...packet.subarray(20, 28)].toSpliced(2, 2)), [
    [3, 4, 0, 0, 600 >> 8, 600 & 0xff],
  ]);
  await lanes.stop();
  connection.close();
});

Deno.test("datagram engine: a new table is followed at once", async () => {
  const { connection, devices, waits, lanes, count } = await setup();
  lanes.table.clearPeer(0);
  lanes.table.publishRoutes([], -1);
  lanes.wake();
  assertEquals(lanes.table.takenUp(lanes.laneCount), true);
  devices[0]!.waiting = [out(1)];
  await waits[0]!.readable();
  await connection.arrive(back, PEER);
  assertEquals([count("outbound", "no_route"), count("inbound", "unknown_peer")], [1, 1]);
  await lanes.stop();
  connection.close();
});

Deno.test("datagram engine: a lost device is told once, and it goes on with the next", async () => {
  const { connection, devices, waits, ends, lanes } = await setup();
  devices[0]!.gone = true;
  await connection.arrive(back, PEER);
  assertEquals(ends, ["device_gone"]);
  await lanes.stop();
  assertEquals([waits[0]!.closed, lanes.laneCount], [true, 0]);
  // Without a device, what arrives is dropped.
  await connection.arrive(back, PEER);
  await lanes.start(OPEN);
  await connection.arrive(back, PEER);
  assertEquals(devices[1]!.written, [back]);
  await lanes.stop();
  connection.close();
  assertEquals(ends, ["device_gone"]);
});

Deno.test("datagram engine: a connection that breaks ends the lane with a reason", async () => {
  const { connection, ends, lanes } = await setup();
  connection.close();
  await Promise.resolve();
  await lanes.stop();
  assertEquals(ends.map(String), ["RunError: receiving over UDP failed (closed)"]);
});

Deno.test("lanes: what only the kernel sees is counted with what the lanes count", async () => {
  const { connection, lanes } = await setup();
  lanes.countForKernel("inbound", "socket_overflow", 3);
  lanes.countForKernel("inbound", "socket_overflow", 2);
  lanes.countForKernel("outbound", "device_overflow", 7);
  assertEquals(lanes.totals("inbound")["socket_overflow"], 5);
  assertEquals(lanes.totals("outbound")["device_overflow"], 7);
  await lanes.stop();
  connection.close();
});
