/** The netlink codec: golden bytes, cut and hostile input, fuzz. */

import {
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REQUEST,
  NLMSG_ERROR,
  RT_TABLE_MAIN,
  RTM_NEWADDR,
  RTM_NEWROUTE,
  RTM_SETLINK,
} from "../../../ffi/netlink.ts";
import {
  addressBody,
  type Attribute,
  decodeAddress,
  decodeAnswer,
  decodeAttributes,
  decodeCounts,
  decodeDone,
  decodeLink,
  decodeMessages,
  decodePath,
  decodeRoute,
  encodeMessage,
  familyOf,
  linkBody,
  MalformedMessage,
  type Message,
  routeBody,
  textAttribute,
  u32Attribute,
} from "../../../src/host/netlink/message.ts";
import { formatAddress, formatPrefix, parseAddress, parsePrefix } from "../../../src/net/prefix.ts";
import { assert, assertEquals, assertThrows } from "../../assert.ts";
import { fuzzMultiplier, random } from "../../fuzz/random.ts";

const fromHex = (text: string): Uint8Array =>
  new Uint8Array(text.replace(/\s/g, "").match(/../g)?.map((pair) => parseInt(pair, 16)) ?? []);

const bytesOf = (text: string): Uint8Array => parseAddress(text)!.bytes;

const concat = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(parts.flatMap((part) => [...part]));

/** Attributes alone: a message without its header. */
const attributes = (...list: readonly Attribute[]): Uint8Array =>
  encodeMessage({ type: 0, flags: 0, sequence: 0 }, new Uint8Array(), list).subarray(16);

Deno.test("encodeMessage: golden bytes", async (t) => {
  const cases: { name: string; bytes: Uint8Array; hex: string }[] = [
    {
      name: "switch device 5 on, MTU 1400",
      bytes: encodeMessage(
        { type: RTM_SETLINK, flags: NLM_F_REQUEST | NLM_F_ACK, sequence: 1 },
        linkBody(5, 1, 1),
        [u32Attribute(4, 1400)],
      ),
      hex: `28000000 1300 0500 01000000 00000000
            00 00 0000 05000000 01000000 01000000
            0800 0400 78050000`,
    },
    {
      name: "fd00::1/64 on device 3, no duplicate detection",
      bytes: encodeMessage(
        { type: RTM_NEWADDR, flags: 0x605, sequence: 0xfffffffe },
        addressBody(familyOf(6), 64, 3),
        [
          { type: 2, data: bytesOf("fd00::1") },
          { type: 1, data: bytesOf("fd00::1") },
          u32Attribute(8, 2),
        ],
      ),
      hex: `48000000 1400 0506 feffffff 00000000
            0a 40 00 00 03000000
            1400 0200 fd000000000000000000000000000001
            1400 0100 fd000000000000000000000000000001
            0800 0800 02000000`,
    },
    {
      name: "172.0.0.0/8 to device 7, source 172.1.0.0",
      bytes: encodeMessage(
        {
          type: RTM_NEWROUTE,
          flags: NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
          sequence: 2,
        },
        routeBody({
          family: familyOf(4),
          length_bits: 8,
          table: RT_TABLE_MAIN,
          protocol: 4,
          scope: 253,
          type: 1,
        }),
        [
          { type: 1, data: bytesOf("172.0.0.0") },
          u32Attribute(4, 7),
          { type: 7, data: bytesOf("172.1.0.0") },
        ],
      ),
      hex: `34000000 1800 0506 02000000 00000000
            02 08 00 00 fe 04 fd 01 00000000
            0800 0100 ac000000
            0800 0400 07000000
            0800 0700 ac010000`,
    },
    {
      name: "a name is closed by NUL and padded",
      bytes: encodeMessage({ type: 18, flags: 1, sequence: 3 }, linkBody(0), [
        textAttribute(3, "tunnet0"),
        textAttribute(3, "a"),
      ]),
      hex: `34000000 1200 0100 03000000 00000000
            00 00 0000 00000000 00000000 00000000
            0c00 0300 74756e6e65743000
            0600 0300 6100 0000`,
    },
  ];
  for (const { name, bytes, hex } of cases) {
    await t.step(name, () => assertEquals(bytes, fromHex(hex)));
  }
});

Deno.test("encodeMessage: an attribute's length field has 16 bits", () => {
  const header = { type: 1, flags: 1, sequence: 1 };
  const longest = { type: 1, data: new Uint8Array(0xffff - 4) };
  assertEquals(encodeMessage(header, new Uint8Array(), [longest]).length, 16 + 0x10000);
  const tooLong = { type: 1, data: new Uint8Array(0xffff - 3) };
  assertThrows(() => encodeMessage(header, new Uint8Array(), [tooLong]), RangeError);
});

Deno.test("decodeMessages: several messages, the last without padding", () => {
  const bytes = fromHex(`
    12000000 1000 0200 07000000 09000000 aabb 0000
    11000000 0300 0200 07000000 09000000 cc`);
  assertEquals<readonly Message[]>(decodeMessages(bytes), [
    { type: 16, flags: 2, sequence: 7, port: 9, payload: fromHex("aabb") },
    { type: 3, flags: 2, sequence: 7, port: 9, payload: fromHex("cc") },
  ]);
  assertEquals(decodeMessages(new Uint8Array()), []);
});

Deno.test("decodeMessages: lengths that cannot hold", async (t) => {
  const rest = "1000 0200 07000000 09000000";
  const cases = {
    "length 0": `00000000 ${rest}`,
    "length 15": `0f000000 ${rest}`,
    "one byte beyond the datagram": `11000000 ${rest}`,
    "length 2^32 - 1": `ffffffff ${rest}`,
    "length 2^31": `00000080 ${rest}`,
    "a cut header": "10000000 1000",
    "one byte after a whole message": `10000000 ${rest} 00`,
  };
  for (const [name, hex] of Object.entries(cases)) {
    await t.step(name, () => {
      assertThrows(() => decodeMessages(fromHex(hex)), MalformedMessage);
    });
  }
});

Deno.test("decodeAttributes: flag bits cleared, the last of a type counts, empty ones allowed", () => {
  const found = decodeAttributes(fromHex("0500 0180 aa 000000 0500 0140 bb 000000 0400 0200"));
  assertEquals([...found], [[1, fromHex("bb")], [2, new Uint8Array()]]);
});

Deno.test("decodeAttributes: lengths that cannot hold", async (t) => {
  for (
    const hex of ["0000 0100", "0300 0100", "0500 0100", "ffff 0100 00", "0400", "0400 0100 00"]
  ) {
    await t.step(hex, () => {
      assertThrows(() => decodeAttributes(fromHex(hex)), MalformedMessage);
    });
  }
});

Deno.test("decodeLink", async (t) => {
  const kind = { type: 18, data: attributes(textAttribute(1, "tun")) };
  const name = textAttribute(3, "tunnet0");
  await t.step("a tun device that is up and has an alias", () => {
    const alias = textAttribute(20, "somebody's");
    const payload = concat(
      linkBody(9, 0x1091),
      attributes(name, u32Attribute(4, 1400), kind, alias),
    );
    assertEquals(decodeLink(payload), {
      index: 9,
      name: "tunnet0",
      mtu_bytes: 1400,
      up: true,
      master: 0,
      kind: "tun",
      ethernet: false,
      alias: "somebody's",
    });
  });
  await t.step("Ethernet, by its type", () => {
    const link = linkBody(2);
    link.set([1, 0], 2);
    assertEquals(decodeLink(concat(link, attributes(name))).ethernet, true);
  });
  await t.step("a port of a bridge", () => {
    const master = u32Attribute(10, 7);
    assertEquals(decodeLink(concat(linkBody(9), attributes(name, master))).master, 7);
  });
  await t.step("down, without a kind", () => {
    const { up, kind } = decodeLink(concat(linkBody(1, 0x1090), attributes(name)));
    assertEquals({ up, kind }, { up: false, kind: undefined });
  });
  const bad: Record<string, Uint8Array> = {
    "cut structure": linkBody(1).subarray(1),
    "no name": linkBody(1),
    "empty name": concat(linkBody(1), attributes(textAttribute(3, ""))),
    "an MTU of 2 bytes": concat(
      linkBody(1),
      attributes(name, { type: 4, data: new Uint8Array(2) }),
    ),
    "broken link info": concat(linkBody(1), attributes(name, { type: 18, data: fromHex("ff") })),
  };
  for (const [what, payload] of Object.entries(bad)) {
    await t.step(what, () => void assertThrows(() => decodeLink(payload), MalformedMessage));
  }
});

Deno.test("decodeAddress", async (t) => {
  const of = (family: number, length_bits: number, ...list: Attribute[]) =>
    concat(addressBody(family, length_bits, 4), attributes(...list));
  const text = (payload: Uint8Array) => {
    const found = decodeAddress(payload);
    return found && `${found.index} ${formatAddress(found.address.bytes)}/${found.length_bits}`;
  };
  await t.step("IPv4: the near end, not the far one", () => {
    const list = [{ type: 1, data: bytesOf("10.0.0.2") }, { type: 2, data: bytesOf("10.0.0.1") }];
    assertEquals(text(of(2, 32, ...list)), "4 10.0.0.1/32");
  });
  await t.step("IPv6 has IFA_ADDRESS alone", () => {
    assertEquals(text(of(10, 64, { type: 1, data: bytesOf("fd00::1") })), "4 fd00::1/64");
  });
  await t.step("other families and entries without an address are passed over", () => {
    assertEquals(decodeAddress(of(28, 20, { type: 1, data: bytesOf("1.2.3.4") })), undefined);
    assertEquals(decodeAddress(of(2, 8)), undefined);
  });
  await t.step("the address outlives the receive buffer", () => {
    const payload = of(2, 8, { type: 1, data: bytesOf("1.2.3.4") });
    const found = decodeAddress(payload)!;
    payload.fill(0);
    assertEquals(formatAddress(found.address.bytes), "1.2.3.4");
  });
  await t.step("lengths that cannot hold", () => {
    const four = { type: 1, data: bytesOf("1.2.3.4") };
    for (
      const payload of [
        new Uint8Array(7),
        of(2, 33, four),
        of(10, 129, { type: 1, data: bytesOf("::1") }),
        of(10, 64, four),
        of(2, 8, { type: 1, data: new Uint8Array(5) }),
        of(2, 8, { type: 1, data: new Uint8Array(0) }),
      ]
    ) assertThrows(() => decodeAddress(payload), MalformedMessage);
  });
});

Deno.test("decodeRoute", async (t) => {
  const of = (
    family: number,
    length_bits: number,
    list: Attribute[],
    table = RT_TABLE_MAIN,
    type = 1,
  ) => concat(routeBody({ family, length_bits, table, type }), attributes(...list));
  const text = (payload: Uint8Array, table = RT_TABLE_MAIN) =>
    decodeRoute(payload, table).map(({ prefix, index, metric, kind }) =>
      `${formatPrefix(prefix)} ${index} ${metric} ${kind}`
    );
  const dst = { type: 1, data: bytesOf("172.0.0.0") };
  await t.step("a network", () => {
    assertEquals(text(of(2, 8, [dst, u32Attribute(4, 3)])), ["172.0.0.0/8 3 0 unicast"]);
  });
  await t.step("defaults have no destination", () => {
    assertEquals(text(of(2, 0, [u32Attribute(4, 3)])), ["0.0.0.0/0 3 0 unicast"]);
    const v6 = [u32Attribute(4, 3), u32Attribute(6, 1024)];
    assertEquals(text(of(10, 0, v6)), ["::/0 3 1024 unicast"]);
  });
  await t.step("host bits are cleared", () => {
    assertEquals(text(of(2, 8, [{ type: 1, data: bytesOf("172.9.9.9") }])), [
      "172.0.0.0/8 0 0 unicast",
    ]);
  });
  await t.step("a blackhole has no device", () => {
    assertEquals(text(of(2, 8, [dst], RT_TABLE_MAIN, 6)), ["172.0.0.0/8 0 0 blackhole"]);
  });
  await t.step("several next hops", () => {
    // The second hop holds a gateway attribute of its own.
    const hops = fromHex("0800 00 00 03000000 1000 00 00 04000000 0800 0500 0a000001");
    assertEquals(text(of(2, 8, [dst, { type: 9, data: hops }])), [
      "172.0.0.0/8 3 0 unicast",
      "172.0.0.0/8 4 0 unicast",
    ]);
    for (const hex of ["0700 0000 01000000", "0000 0000 01000000", "0900 0000 01000000", "08"]) {
      const payload = of(2, 8, [dst, { type: 9, data: fromHex(hex) }]);
      assertThrows(() => decodeRoute(payload, RT_TABLE_MAIN), MalformedMessage, undefined, hex);
    }
  });
  await t.step("other tables, also beyond 255, and other families are passed over", () => {
    assertEquals(text(of(2, 8, [dst], 255)), []);
    assertEquals(text(of(2, 8, [dst, u32Attribute(15, 1000)], 252)), []);
    assertEquals(text(of(2, 8, [dst, u32Attribute(15, 1000)], 252), 1000).length, 1);
    assertEquals(text(of(28, 20, [dst])), []);
  });
  await t.step("lengths that cannot hold", () => {
    for (
      const payload of [
        new Uint8Array(11),
        of(2, 33, [dst]),
        of(10, 129, []),
        of(10, 8, [dst]),
        of(2, 8, [dst, { type: 6, data: new Uint8Array(3) }]),
      ]
    ) assertThrows(() => decodeRoute(payload, RT_TABLE_MAIN), MalformedMessage);
  });
});

const COUNTS = {
  ...{ sentPackets: 101, receivedPackets: 100 },
  ...{ sentDropped: 107, receivedDropped: 106 },
};

Deno.test("decodeCounts: packets and drops of struct rtnl_link_stats64", () => {
  const of = (size: number) => {
    const data = new Uint8Array(size);
    for (let at = 0; at + 8 <= size; at += 8) {
      new DataView(data.buffer).setBigUint64(at, BigInt(100 + at / 8), true);
    }
    return concat(linkBody(3), attributes({ type: 23, data }));
  };
  assertEquals(decodeCounts(of(192)), COUNTS);
  assertEquals(decodeCounts(of(64)), COUNTS);
  assertEquals(decodeCounts(of(56)), undefined);
  assertEquals(decodeCounts(linkBody(3)), undefined);
  assertThrows(() => decodeCounts(new Uint8Array(8)), MalformedMessage);
});

Deno.test("decodePath", async (t) => {
  const of = (type: number, ...list: Attribute[]) =>
    concat(
      routeBody({ family: 2, length_bits: 32, table: RT_TABLE_MAIN, type }),
      attributes(...list),
    );
  const oif = u32Attribute(4, 3);
  await t.step("source and MTU", () => {
    const metrics = { type: 8, data: attributes(u32Attribute(2, 1300)) };
    const path = decodePath(of(1, oif, { type: 7, data: bytesOf("10.0.0.1") }, metrics));
    assertEquals(path, { index: 3, source: parseAddress("10.0.0.1"), mtu_bytes: 1300 });
  });
  await t.step("an MTU that was learnt has a time when it is forgotten", () => {
    const metrics = { type: 8, data: attributes(u32Attribute(2, 1300)) };
    const cache = (expires: number) => {
      const data = new Uint8Array(32);
      new DataView(data.buffer).setInt32(8, expires, true);
      return { type: 12, data };
    };
    assertEquals(decodePath(of(1, oif, metrics, cache(590_000)))?.learnt, true);
    assertEquals(decodePath(of(1, oif, metrics, cache(0)))?.learnt, undefined);
    assertEquals(
      decodePath(of(1, oif, metrics, { type: 12, data: new Uint8Array(8) }))?.learnt,
      undefined,
    );
  });
  await t.step("neither, and an MTU of 0 is none", () => {
    assertEquals(decodePath(of(1, oif))?.mtu_bytes, undefined);
    const metrics = { type: 8, data: attributes(u32Attribute(2, 0)) };
    assertEquals(decodePath(of(2, oif, metrics)), {
      index: 3,
      source: undefined,
      mtu_bytes: undefined,
    });
  });
  await t.step("leads nowhere", () => {
    assertEquals(decodePath(of(1)), undefined);
    for (const type of [6, 7, 8, 9]) assertEquals(decodePath(of(type, oif)), undefined);
  });
});

Deno.test("decodeAnswer", async (t) => {
  const echo = "10000000 1400 0506 01000000 00000000";
  const reason = attributes(textAttribute(1, "no such thing"));
  const decode = (payload: Uint8Array, flags = 0) => decodeAnswer({ payload, flags });
  await t.step("acknowledgement", () => {
    assertEquals(decode(fromHex(`00000000 ${echo}`)), { errno: 0, reason: undefined });
  });
  await t.step("refusal", () => {
    assertEquals(decode(fromHex(`efffffff ${echo}`)), { errno: 17, reason: undefined });
  });
  await t.step("with a reason, the request left out", () => {
    // The repeated header names the request's full length though nothing of it follows.
    const payload = concat(fromHex(`efffffff 48000000 ${echo.slice(9)}`), reason);
    const flags = NLM_F_CAPPED | NLM_F_ACK_TLVS;
    assertEquals(decode(payload, flags), { errno: 17, reason: "no such thing" });
  });
  await t.step("with a reason after the whole request", () => {
    const payload = concat(
      fromHex(`efffffff 14000000 ${echo.slice(9)} aabbccdd`),
      reason,
    );
    assertEquals(decode(payload, NLM_F_ACK_TLVS).reason, "no such thing");
  });
  await t.step("that cannot hold", () => {
    const bad: [Uint8Array, number][] = [
      [new Uint8Array(19), 0],
      [fromHex(`01000000 ${echo}`), 0],
      [fromHex(`efffffff 0f000000 ${echo.slice(9)}`), NLM_F_ACK_TLVS],
      [fromHex(`efffffff 11000000 ${echo.slice(9)}`), NLM_F_ACK_TLVS],
      [fromHex(`efffffff ffffffff ${echo.slice(9)}`), NLM_F_ACK_TLVS],
      [fromHex(`efffffff ${echo} 00`), NLM_F_ACK_TLVS | NLM_F_CAPPED],
    ];
    for (const [payload, flags] of bad) {
      assertThrows(() => decode(payload, flags), MalformedMessage);
    }
  });
});

Deno.test("decodeDone: the error that broke a dump off", () => {
  assertEquals(decodeDone(new Uint8Array()), 0);
  assertEquals(decodeDone(fromHex("00000000")), 0);
  assertEquals(decodeDone(fromHex("edffffff")), 19);
  assertEquals(decodeDone(fromHex("05000000")), 0);
});

Deno.test("random and damaged messages are decoded or refused, never anything else", () => {
  const { u32, below, bytes, pick } = random(0x7e71);
  const whole = [
    encodeMessage({ type: 16, flags: 2, sequence: 1 }, linkBody(3, 1), [
      textAttribute(3, "eth0"),
      u32Attribute(4, 1500),
      { type: 18, data: attributes(textAttribute(1, "veth")) },
    ]),
    encodeMessage({ type: 20, flags: 2, sequence: 1 }, addressBody(10, 64, 3), [
      { type: 1, data: bytesOf("fd00::1") },
      u32Attribute(8, 2),
    ]),
    encodeMessage(
      { type: 24, flags: 2, sequence: 1 },
      routeBody({ family: 2, length_bits: 8, table: RT_TABLE_MAIN, type: 1 }),
      [
        { type: 1, data: parsePrefix("172.0.0.0/8")!.prefix.bytes },
        { type: 9, data: fromHex("0800000003000000 0800000004000000") },
        { type: 8, data: attributes(u32Attribute(2, 1400)) },
      ],
    ),
    encodeMessage(
      { type: NLMSG_ERROR, flags: NLM_F_ACK_TLVS | NLM_F_CAPPED, sequence: 1 },
      fromHex("efffffff 10000000 1400 0506 01000000 00000000"),
      [textAttribute(1, "why")],
    ),
  ];
  const damaged = (): Uint8Array => {
    if (below(4) === 0) return bytes(below(128));
    const copy = concat(pick(whole), pick(whole));
    for (let i = below(4); i > 0; i--) {
      copy[below(copy.length)] = pick([0, 1, 4, 0x80, 0xff, u32()]);
    }
    return below(3) === 0 ? copy.subarray(0, below(copy.length)) : copy;
  };
  const decoders = [
    decodeLink,
    decodeAddress,
    (payload: Uint8Array) => decodeRoute(payload, RT_TABLE_MAIN),
    decodePath,
    decodeDone,
    (payload: Uint8Array) => decodeAnswer({ payload, flags: u32() & 0xffff }),
  ];
  let decoded = 0;
  let refused = 0;
  const attempt = (run: () => void) => {
    try {
      run();
      decoded++;
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      refused++;
    }
  };
  for (let i = 0; i < 50_000 * fuzzMultiplier(); i++) {
    const datagram = damaged();
    attempt(() => {
      let payloads = 0;
      for (const { payload } of decodeMessages(datagram)) {
        payloads += payload.length;
        attempt(() => pick(decoders)(payload));
      }
      assert(payloads <= datagram.length);
    });
  }
  // Both outcomes were met often: the damage was neither too weak nor too strong.
  assert(decoded > 1000 && refused > 1000, `${decoded} decoded, ${refused} refused`);
});
