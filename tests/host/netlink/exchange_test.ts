/** Requests and answers over a socket that plays back what the kernel might say. */

import type { SyscallError } from "../../../ffi/libc.ts";
import {
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
  NLMSG_OVERRUN,
} from "../../../ffi/netlink.ts";
import {
  type Decode,
  Exchange,
  type NetlinkSocket,
  type Request,
} from "../../../src/host/netlink/exchange.ts";
import { encodeMessage, MalformedMessage } from "../../../src/host/netlink/message.ts";
import { assertEquals, assertThrows } from "../../assert.ts";

/** A message of an answer; the sequence number is that of the request, or off by `stale`. */
interface Said {
  readonly type: number;
  readonly flags?: number;
  readonly payload?: readonly number[];
  readonly stale?: number;
}

const value = (byte: number, flags = 0): Said => ({ type: 24, flags, payload: [byte] });
const done: Said = { type: NLMSG_DONE, payload: [0, 0, 0, 0] };
const ack: Said = { type: NLMSG_ERROR, payload: Array(20).fill(0) };
const refusal: Said = {
  type: NLMSG_ERROR,
  payload: [0xef, 0xff, 0xff, 0xff, ...Array(16).fill(0)],
};

/** Answers the n-th request with the n-th of `answers`: datagrams, or undefined for a lost one. */
class FakeSocket implements NetlinkSocket {
  readonly log: string[] = [];
  readonly flags: number[] = [];
  #queue: (readonly Said[] | undefined)[] = [];
  #sequence = 0;

  constructor(readonly answers: (readonly (readonly Said[] | undefined)[])[]) {}

  open(): void {
    this.log.push("open");
  }

  close(): void {
    this.log.push("close");
    this.#queue = [];
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    const view = new DataView(message.buffer);
    this.flags.push(view.getUint16(6, true));
    this.#sequence = view.getUint32(8, true);
    this.log.push("send");
    this.#queue.push(...this.answers.shift() ?? []);
  }

  receive(): Uint8Array | undefined {
    if (this.#queue.length === 0) throw new Error("nothing more is said");
    const datagram = this.#queue.shift()?.flatMap((
      { type, flags = 0, payload = [], stale = 0 },
    ) => [
      ...encodeMessage(
        { type, flags, sequence: this.#sequence - stale },
        new Uint8Array(payload),
      ),
    ]);
    return datagram && new Uint8Array(datagram);
  }
}

const READ: Request = { type: 26, flags: NLM_F_DUMP, body: new Uint8Array(12) };
const CHANGE: Request = { type: 24, body: new Uint8Array(12) };
const firstByte: Decode<number> = ({ payload }) => [payload[0]!];

Deno.test("Exchange: answers", async (t) => {
  const cases: { name: string; answer: (readonly Said[])[]; values: number[] }[] = [
    { name: "one datagram", answer: [[value(1), value(2), done]], values: [1, 2] },
    {
      name: "several datagrams",
      answer: [[value(1)], [value(2), value(3)], [done]],
      values: [1, 2, 3],
    },
    { name: "nothing", answer: [[done]], values: [] },
    { name: "an empty datagram", answer: [[], [value(1), done]], values: [1] },
    {
      name: "messages without meaning",
      answer: [[{ type: NLMSG_NOOP }, value(1), done]],
      values: [1],
    },
    {
      name: "the rest of an answer that was given up",
      answer: [[{ ...value(9), stale: 1 }], [{ ...done, stale: 1 }], [value(1), done]],
      values: [1],
    },
    { name: "an acknowledgement after the value", answer: [[value(1)], [ack]], values: [1] },
  ];
  for (const { name, answer, values } of cases) {
    await t.step(name, () => {
      const socket = new FakeSocket([answer]);
      assertEquals(new Exchange(socket).request(READ, firstByte), values);
      assertEquals(socket.log, ["open", "send"]);
    });
  }
});

Deno.test("Exchange: only what is no dump asks for an acknowledgement", () => {
  const socket = new FakeSocket([[[done]], [[ack]]]);
  const exchange = new Exchange(socket);
  exchange.request(READ, firstByte);
  exchange.request(CHANGE);
  assertEquals(socket.flags, [NLM_F_REQUEST | NLM_F_DUMP, NLM_F_REQUEST | NLM_F_ACK]);
});

Deno.test("Exchange: a dump of a table that changed is read again", async (t) => {
  const changed = [[value(1)], [value(2, NLM_F_DUMP_INTR)], [done]];
  await t.step("whatever message tells so", () => {
    const atEnd = [[value(1)], [{ ...done, flags: NLM_F_DUMP_INTR }]];
    const socket = new FakeSocket([changed, atEnd, [[value(3), done]]]);
    assertEquals(new Exchange(socket).request(READ, firstByte), [3]);
    assertEquals(socket.log, ["open", "send", "send", "send"]);
  });
  await t.step("not for ever", () => {
    const socket = new FakeSocket(Array(100).fill(changed));
    const error = assertThrows(() => new Exchange(socket).request(READ, firstByte));
    assertEquals((error as SyscallError).errnoName, "EBUSY");
    assertEquals(socket.flags.length, 16);
  });
});

Deno.test("Exchange: a lost answer", async (t) => {
  const reopened = ["open", "send", "close", "open"];
  await t.step("of a read is asked for again, on a new socket", () => {
    const socket = new FakeSocket([
      [[value(1)], undefined, [value(2), done]],
      [[value(1), value(2), done]],
    ]);
    assertEquals(new Exchange(socket).request(READ, firstByte), [1, 2]);
    assertEquals(socket.log, [...reopened, "send"]);
  });
  await t.step("also when the kernel says so", () => {
    const socket = new FakeSocket([[[{ type: NLMSG_OVERRUN }]], [[value(1), done]]]);
    assertEquals(new Exchange(socket).request(READ, firstByte), [1]);
    assertEquals(socket.log, [...reopened, "send"]);
  });
  await t.step("not for ever", () => {
    const socket = new FakeSocket(Array(100).fill([undefined]));
    const error = assertThrows(() => new Exchange(socket).request(READ, firstByte));
    assertEquals((error as SyscallError).errnoName, "ENOBUFS");
    assertEquals(socket.flags.length, 16);
  });
  await t.step("of a change is not made twice", () => {
    const socket = new FakeSocket([[undefined], [[ack]]]);
    const exchange = new Exchange(socket);
    const error = assertThrows(() => exchange.request(CHANGE));
    assertEquals((error as SyscallError).errnoName, "ENOBUFS");
    assertEquals(socket.log, reopened);
    exchange.request(CHANGE);
  });
});

Deno.test("Exchange: what the kernel refuses", async (t) => {
  const refusals: Record<string, Said> = {
    "a change": refusal,
    "a dump that breaks off": { type: NLMSG_DONE, payload: [0xef, 0xff, 0xff, 0xff] },
  };
  for (const [name, said] of Object.entries(refusals)) {
    await t.step(name, () => {
      const exchange = new Exchange(new FakeSocket([[[value(1)], [said]], [[ack]]]));
      const error = assertThrows(() => exchange.request(READ, firstByte)) as SyscallError;
      assertEquals({ name: error.name, call: error.call, errnoName: error.errnoName }, {
        name: "RtnetlinkError",
        call: "RTM_GETROUTE",
        errnoName: "EEXIST",
      });
      exchange.request(CHANGE);
    });
  }
  await t.step("or garbles", () => {
    const exchange = new Exchange(new FakeSocket([[[{ type: NLMSG_ERROR, payload: [1] }]]]));
    assertThrows(() => exchange.request(CHANGE), MalformedMessage);
  });
});

Deno.test("Exchange: closed once, and of no use then", () => {
  const socket = new FakeSocket([[[ack]]]);
  const exchange = new Exchange(socket);
  exchange.close();
  exchange.close();
  assertEquals(socket.log, ["open", "close"]);
  const error = assertThrows(() => exchange.request(CHANGE));
  assertEquals((error as SyscallError).errnoName, "EBADF");
});
