/**
 * Floods a node with initiations whose mac1 is right, as anybody can who knows its public key:
 * `flood_handshakes.ts SOURCE PORT TARGET TARGET_PORT PUBLIC_KEY RATE SECONDS`. The sender's key is
 * one that the node does not know. Where SOURCE is this host's it listens there, and mac2 is right
 * as well as soon as a cookie has come. Prints how many were sent, and how many cookies came.
 */

import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { KEY_BYTES, parseKey } from "../../src/wire/keys.ts";
import { createInitiation, localIdentity, remoteIdentity } from "../../src/wireguard/handshake.ts";
import { mac } from "../../src/wireguard/hash.ts";
import {
  cookieOf,
  macsOf,
  MESSAGE,
  messageType,
  receiverIndex,
} from "../../src/wireguard/messages.ts";
import { tai64n } from "../../src/wireguard/tai64n.ts";
import { RawUdp } from "./raw_udp.ts";

const MESSAGES = 256;

const [source, port, target, targetPort, publicKey, rate, seconds] = Deno.args;
const random = () => crypto.getRandomValues(new Uint8Array(KEY_BYTES));
const self = localIdentity(random());
const node = remoteIdentity(self, parseKey(publicKey!)!)!;
const raw = new RawUdp(target!, Number(targetPort));
const messages = Array.from({ length: MESSAGES }, (_, i) => {
  const { message } = createInitiation(self, node, i, random(), tai64n(Date.now()))!;
  const { beforeMac1, mac1 } = macsOf(message);
  mac1.set(mac(node.mac1Key, beforeMac1));
  return message;
});
const packets = messages.map((message) => raw.packet(source!, Number(port), message));

let cookies = 0;
let socket: Deno.DatagramConn | undefined;
try {
  socket = Deno.listenDatagram({ transport: "udp", hostname: source!, port: Number(port) });
} catch (error) {
  // Somebody else's address: nothing comes back.
  if (!(error instanceof Deno.errors.AddrNotAvailable)) throw error;
}

/** Takes cookies, and signs all messages by the last one. */
async function listen(conn: Deno.DatagramConn): Promise<void> {
  let last = "";
  for await (const [reply] of conn) {
    if (messageType(reply) !== MESSAGE.cookie) continue;
    const { nonce, sealed } = cookieOf(reply);
    const { mac1 } = macsOf(messages[receiverIndex(reply)]!);
    const cookie = xchacha20poly1305(node.cookieKey, nonce, mac1).decrypt(sealed);
    cookies++;
    if (cookie.toHex() === last) continue;
    last = cookie.toHex();
    for (const [i, message] of messages.entries()) {
      const { beforeMac2, mac2 } = macsOf(message);
      mac2.set(mac(cookie, beforeMac2));
      packets[i] = raw.packet(source!, Number(port), message);
    }
  }
}

const listening = socket && listen(socket);
await raw.flood(packets, Number(rate), Number(seconds));
socket?.close();
await listening;
console.log(`${raw.sent} ${cookies}`);
raw.close();
