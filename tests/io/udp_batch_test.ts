/** The socket of the lanes against a libc that fails in every way sendmmsg(2) is known to. */

import { ERRNO } from "../../ffi/errno.ts";
import { assert, assertEquals } from "../assert.ts";
import { Burst } from "../../src/io/arena.ts";
import { Run } from "../../src/io/run.ts";
import { OUTCOME, type SendResults } from "../../src/io/send_results.ts";
import { readSockaddr } from "../../src/io/sockaddr.ts";
import type { Feature } from "../../src/base/features.ts";
import { BatchSocket, type DatagramCalls } from "../../src/io/udp_batch.ts";
import { openUdp } from "../../src/io/udp_open.ts";

/** What one sendmmsg does: sends so many messages at most, or fails. */
type Step = number | keyof typeof ERRNO;

/** Offsets in struct mmsghdr (linux/socket.h, x86_64 and aarch64). */
const IOVLEN_AT = 24;
const IOV_AT = 16;

/** libc's calls by script; when it ends, everything is sent. */
class ScriptedCalls implements DatagramCalls {
  /** Number of messages of each sendmmsg, and the size of the first in bytes. */
  readonly asked: [messages: number, bytes: number][] = [];
  /** Timeouts that poll was asked for, in ms. */
  readonly polled: number[] = [];
  /** What poll finds: whether there is room again. */
  writable = false;
  #errno = 0;

  constructor(readonly script: Step[]) {}

  readonly call = {
    sendmmsg: (_fd: number, messages: Deno.PointerValue, count: number): number => {
      this.asked.push([count, messageBytes(messages!)]);
      const step = this.script.shift() ?? count;
      if (typeof step === "number") return Math.min(step, count);
      this.#errno = ERRNO[step];
      return -1;
    },
    poll: (_set: unknown, _count: number, timeout_ms: number): number => {
      this.polled.push(timeout_ms);
      return this.writable ? 1 : 0;
    },
    recvmmsg: (): number => {
      throw new Error("nothing is received here");
    },
  };

  errno(): number {
    return this.#errno;
  }
}

/** Bytes of the ranges of a message. */
function messageBytes(pointer: Deno.PointerObject): number {
  const header = new Deno.UnsafePointerView(pointer);
  const ranges = Number(header.getBigUint64(IOVLEN_AT));
  const iov = new Deno.UnsafePointerView(
    Deno.UnsafePointer.create(header.getBigUint64(IOV_AT))!,
  );
  let bytes = 0;
  for (let i = 0; i < ranges; i++) bytes += Number(iov.getBigUint64(16 * i + 8));
  return bytes;
}

const FD = 99;
const NAMES = Object.keys(OUTCOME);

/** Results as text: `destination outcome datagrams/bytes`. */
const told = (results: SendResults): string[] =>
  Array.from(
    { length: results.count },
    (_, i) =>
      `${results.destinationOf(i)} ${NAMES[results.outcomeOf(i)]} ` +
      `${results.datagramsOf(i)}/${results.bytesOf(i)}`,
  );

/** A socket with a script, and a function that queues so many datagrams of 100 bytes for each. */
function setup(script: Step[], gso = true) {
  const calls = new ScriptedCalls(script);
  const socket = new BatchSocket(FD, 4, gso, calls as unknown as DatagramCalls);
  const run = new Run(new Burst(1));
  const queue = (...counts: number[]) =>
    counts.forEach((count, destination) => {
      run.destination = destination;
      run.count = count;
      run.body = 0;
      run.body_bytes = 100;
      assertEquals(socket.queue(run), count);
    });
  return { calls, socket, queue };
}

const CASES: readonly {
  name: string;
  script: Step[];
  /** Datagrams for destination 0, 1, ...: each destination's are one message. */
  counts: number[];
  gso?: boolean;
  writable?: boolean;
  told: string[];
  /** Messages of each call. */
  asked: number[];
  polls?: number;
}[] = [
  {
    name: "all at once",
    script: [],
    counts: [1, 3],
    told: ["0 sent 1/100", "1 sent 3/300"],
    asked: [2],
  },
  {
    name: "one after the other",
    script: [1, 1],
    counts: [1, 3],
    told: ["0 sent 1/100", "1 sent 3/300"],
    asked: [2, 1],
  },
  {
    name: "EINTR: asked again, as often as it comes",
    script: ["EINTR", "EINTR", "EINTR"],
    counts: [2],
    told: ["0 sent 2/200"],
    asked: [1, 1, 1, 1],
  },
  {
    name: "EAGAIN, and room after a wait",
    script: ["EAGAIN"],
    counts: [2],
    writable: true,
    told: ["0 sent 2/200"],
    asked: [1, 1],
    polls: 1,
  },
  {
    name: "EAGAIN, and no room: one message is dropped, the next is tried",
    script: ["EAGAIN"],
    counts: [2, 1],
    told: ["0 queueFull 2/200", "1 sent 1/100"],
    asked: [2, 1],
    polls: 1,
  },
  {
    name: "EAGAIN again and again: it waits once in a flush",
    script: ["EAGAIN", "EAGAIN", "EAGAIN"],
    counts: [1, 1, 1],
    told: ["0 queueFull 1/100", "1 queueFull 1/100", "2 queueFull 1/100"],
    asked: [3, 2, 1],
    polls: 1,
  },
  {
    name: "EAGAIN after room was found: not waited for again",
    script: ["EAGAIN", "EAGAIN"],
    counts: [1, 1],
    writable: true,
    told: ["0 queueFull 1/100", "1 sent 1/100"],
    asked: [2, 2, 1],
    polls: 1,
  },
  {
    name: "ENOBUFS: no wait helps",
    script: ["ENOBUFS"],
    counts: [3, 1],
    told: ["0 queueFull 3/300", "1 sent 1/100"],
    asked: [2, 1],
  },
  {
    name: "EMSGSIZE of one datagram",
    script: ["EMSGSIZE"],
    counts: [1, 1],
    told: ["0 tooBig 1/100", "1 sent 1/100"],
    asked: [2, 1],
  },
  {
    name: "EMSGSIZE of several: each by itself, some of which fit",
    script: ["EMSGSIZE", "EMSGSIZE", 1, "EMSGSIZE"],
    counts: [3, 1],
    told: ["0 sent 1/100", "0 tooBig 2/200", "1 sent 1/100"],
    asked: [2, 1, 1, 1, 1],
  },
  {
    name: "EINVAL of several: a segment is larger than the path",
    script: ["EINVAL", "EMSGSIZE", "EMSGSIZE"],
    counts: [2],
    told: ["0 tooBig 2/200"],
    asked: [1, 1, 1],
  },
  {
    name: "EINVAL of one datagram",
    script: ["EINVAL"],
    counts: [1, 1],
    told: ["0 failed 1/100", "1 sent 1/100"],
    asked: [2, 1],
  },
  {
    name: "one by one, each in its own way",
    script: ["EMSGSIZE", 1, "EINTR", 1, "EAGAIN", "ENOBUFS", "EPERM", "EMSGSIZE"],
    counts: [6],
    told: ["0 sent 2/200", "0 tooBig 1/100", "0 queueFull 2/200", "0 failed 1/100"],
    asked: [1, 1, 1, 1, 1, 1, 1, 1],
  },
  {
    name: "EIO of several: the device cannot segment",
    script: ["EIO", 1, 1],
    counts: [2, 2],
    told: ["0 sent 2/200", "1 sent 2/200"],
    asked: [2, 1, 1, 1],
  },
  {
    name: "EIO of one datagram",
    script: ["EIO"],
    counts: [1],
    told: ["0 failed 1/100"],
    asked: [1],
  },
  {
    name: "ECONNREFUSED: one message is lost, the next is tried",
    script: ["ECONNREFUSED"],
    counts: [1, 4],
    told: ["0 failed 1/100", "1 sent 4/400"],
    asked: [2, 1],
  },
  {
    name: "without segmentation every datagram is a message",
    script: ["ENETUNREACH", 1, "EMSGSIZE"],
    counts: [3],
    gso: false,
    told: ["0 failed 1/100", "0 sent 1/100", "0 tooBig 1/100"],
    asked: [3, 2, 1],
  },
];

Deno.test("batch socket: what becomes of datagrams, by errno", async (t) => {
  for (const { name, script, counts, gso, writable, told: wanted, asked, polls } of CASES) {
    await t.step(name, () => {
      const { calls, socket, queue } = setup([...script], gso);
      calls.writable = writable ?? false;
      queue(...counts);
      assertEquals(told(socket.flush()), wanted);
      assertEquals(calls.asked.map(([messages]) => messages), asked);
      assertEquals(calls.polled.length, polls ?? 0);
      assertEquals([calls.script.length, socket.flush().count], [0, 0], "nothing is left");
    });
  }
});

Deno.test("batch socket: one by one, a datagram leaves with its own bytes", () => {
  const { calls, socket, queue } = setup(["EMSGSIZE"]);
  queue(3);
  socket.flush();
  assertEquals(calls.asked, [[1, 300], [1, 100], [1, 100], [1, 100]]);
});

Deno.test("batch socket: after EIO nothing is segmented any more", () => {
  const { calls, socket, queue } = setup(["EIO"]);
  queue(2);
  socket.flush();
  queue(2);
  assertEquals(told(socket.flush()), ["0 sent 1/100", "0 sent 1/100"]);
  assertEquals(calls.asked.at(-1), [2, 100]);
});

Deno.test("batch socket: a queue that has stayed full is only looked at, until there is room", () => {
  const { calls, socket, queue } = setup(["EAGAIN", "EAGAIN", "EAGAIN", "EAGAIN"]);
  for (const writable of [false, false, true, false]) {
    calls.writable = writable;
    queue(1);
    socket.flush();
    // The room that was found is used at once.
    if (writable) assertEquals(calls.script.length, 0);
  }
  const [first, ...later] = calls.polled;
  assert(first! > 0);
  assertEquals(later, [0, 0]);
});

Deno.test("batch socket: a queue of 64 messages is full, and takes the rest after a flush", () => {
  const { socket } = setup([]);
  const run = new Run(new Burst(1));
  run.body_bytes = 10;
  for (let destination = 0; destination < 64; destination++) {
    Object.assign(run, { destination, count: 1 });
    assertEquals(socket.queue(run), 1);
  }
  Object.assign(run, { destination: 64, count: 5 });
  assertEquals(socket.queue(run), 0);
  assertEquals(socket.flush().count, 64);
  assertEquals(socket.queue(run), 5);
  assertEquals(told(socket.flush()), ["64 sent 5/50"]);
});

Deno.test("batch socket: two real ones, over loopback", () => {
  const use = { batch: "required", features: new Set<Feature>(["gso", "gro"]) } as const;
  const sides = [openUdp("127.0.0.1", 0, use), openUdp("127.0.0.1", 0, use)];
  try {
    const [from, to] = sides.map(({ fd, features }) => new BatchSocket(fd, 4, features.has("gso")));
    const [fromPort, toPort] = sides.map(({ connection }) =>
      (connection.addr as Deno.NetAddr).port
    );
    from!.setDestination(9, Uint8Array.of(127, 0, 0, 1), toPort!);
    const run = new Run(new Burst(1));
    Object.assign(run, { destination: 9, count: 3, body: 64, body_bytes: 100 });
    run.burst.bytes.set(Array.from({ length: 300 }, (_, i) => i), run.body);
    from!.queue(run);
    assertEquals(told(from!.flush()), ["9 sent 3/300"]);
    assert(from!.pathMtu(9)! > 1000);

    const burst = new Burst();
    const received: number[] = [];
    for (let count = to!.receive(burst); count > 0; count = to!.receive(burst)) {
      for (let slot = 0; slot < count; slot++) {
        assertEquals(readSockaddr(burst.sender, slot), {
          address: Uint8Array.of(127, 0, 0, 1),
          port: fromPort!,
        });
        // One message each, or all as one, by what the kernel can.
        if (burst.length[slot] !== 100) assertEquals(burst.segment[slot], 100);
        const at = burst.offset(slot);
        received.push(...burst.bytes.subarray(at, at + burst.length[slot]!));
      }
    }
    assertEquals(received, Array.from({ length: 300 }, (_, i) => i & 0xff));
  } finally {
    for (const { connection } of sides) connection.close();
  }
});
