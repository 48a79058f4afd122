/** The four messages: lengths, fields, padding. */

import { assertEquals } from "../assert.ts";
import { DATA_TYPE, dataMessageBytes, paddedLength } from "../../src/wire/data_message.ts";
import {
  cookieOf,
  encodeCookie,
  encodeInitiation,
  encodeResponse,
  MESSAGE,
  MESSAGE_BYTES,
  messageType,
  noiseOf,
  receiverIndex,
  senderIndex,
} from "../../src/wireguard/messages.ts";
import { random } from "../fuzz/random.ts";

Deno.test("messages: the lengths of WireGuard's paper", () => {
  assertEquals(MESSAGE_BYTES, { initiation: 148, response: 92, cookie: 64, data: 32 });
  assertEquals(dataMessageBytes(0), MESSAGE_BYTES.data);
});

Deno.test("messages: every type at every length", () => {
  for (let length = 0; length <= 200; length++) {
    for (let type = 0; type < 256; type++) {
      const datagram = new Uint8Array(length);
      if (length > 0) datagram[0] = type;
      const right = (type === MESSAGE.initiation && length === 148) ||
        (type === MESSAGE.response && length === 92) ||
        (type === MESSAGE.cookie && length === 64) ||
        (type === MESSAGE.data && length >= 32);
      assertEquals(messageType(datagram), right ? type as 1 : undefined, `${type}, ${length}`);
    }
  }
});

Deno.test("messages: the three bytes after the type are zero", () => {
  for (const byte of [1, 2, 3]) {
    const datagram = new Uint8Array(148);
    datagram[0] = 1;
    datagram[byte] = 1;
    assertEquals(messageType(datagram), undefined);
  }
});

Deno.test("messages: what is written is read again, in the middle of a larger memory too", () => {
  const dice = random(1);
  const moved = (bytes: Uint8Array) => {
    const memory = dice.bytes(bytes.length + 13);
    memory.set(bytes, 5);
    return memory.subarray(5, 5 + bytes.length);
  };
  const [noise1, noise2] = [dice.bytes(108), dice.bytes(48)];
  const initiation = moved(encodeInitiation(0xdeadbeef, noise1));
  assertEquals(messageType(initiation), MESSAGE.initiation);
  assertEquals(senderIndex(initiation), 0xdeadbeef);
  assertEquals(noiseOf(initiation).slice(), noise1);
  const response = moved(encodeResponse(0xfffffffe, 0x80000001, noise2));
  assertEquals(messageType(response), MESSAGE.response);
  assertEquals([senderIndex(response), receiverIndex(response)], [0xfffffffe, 0x80000001]);
  assertEquals(noiseOf(response).slice(), noise2);
  const [nonce, sealed] = [dice.bytes(24), dice.bytes(32)];
  const cookie = moved(encodeCookie(7, nonce, sealed));
  assertEquals(messageType(cookie), MESSAGE.cookie);
  assertEquals(receiverIndex(cookie), 7);
  assertEquals(cookieOf(cookie).nonce.slice(), nonce);
  assertEquals(cookieOf(cookie).sealed.slice(), sealed);
  const data = moved(Uint8Array.of(DATA_TYPE, 0, 0, 0, 4, 3, 2, 1, ...new Uint8Array(32)));
  assertEquals([messageType(data), receiverIndex(data)], [MESSAGE.data, 0x01020304]);
});

Deno.test("messages: padding to 16, never above the MTU, never below the packet", () => {
  for (const mtu of [68, 1280, 1420, 1440, 1500, 9000]) {
    for (let length = 0; length <= mtu + 40; length++) {
      const padded = paddedLength(length, mtu);
      const wanted = Math.ceil(length / 16) * 16;
      assertEquals(padded, wanted <= mtu ? wanted : Math.max(length, mtu), `${length} of ${mtu}`);
    }
  }
});
