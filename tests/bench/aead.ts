/** What sealing and opening cost, by each way that is here, and what a handshake costs. */

import type { Aead } from "../../src/aead/aead.ts";
import { libcryptoAead } from "../../src/aead/libcrypto.ts";
import { nobleAead } from "../../src/aead/noble.ts";
import { wasmAead } from "../../src/aead/wasm.ts";
import { simdArena } from "../../src/net/simd.ts";
import {
  acceptInitiation,
  acceptResponse,
  createInitiation,
  createResponse,
  localIdentity,
  remoteIdentity,
} from "../../src/wireguard/handshake.ts";
import { tai64n } from "../../src/wireguard/tai64n.ts";
import { random } from "../fuzz/random.ts";
import { measure } from "./measure.ts";

const SIZES = [1420, 64];

function benchOne(aead: Aead, from: number, to: number): void {
  const key = random(1).bytes(32);
  const [sealer, opener] = [aead.sealer(key), aead.opener(key)];
  for (const size of SIZES) {
    const unit = `${size} bytes`;
    measure(`seal, ${aead.name}`, 1, unit, () => sealer.seal(to, from, size, 1, 0));
    measure(`open, ${aead.name}`, 1, unit, () => void opener.open(from, to, size, 1, 0));
  }
}

function benchHandshake(): void {
  const dice = random(2);
  const [a, b] = [localIdentity(dice.bytes(32)), localIdentity(dice.bytes(32))];
  const [toB, toA] = [remoteIdentity(a, b.publicKey)!, remoteIdentity(b, a.publicKey)!];
  const [ephemeral, stamp] = [dice.bytes(32), tai64n(Date.now())];
  measure("handshake, both sides", 1, "handshake", () => {
    const begun = createInitiation(a, toB, 1, ephemeral, stamp)!;
    const accepted = acceptInitiation(b, begun.message, () => toA)!;
    const answer = createResponse(accepted, 2, ephemeral)!;
    acceptResponse(begun, toB, answer.message);
  });
}

/** Prints the figures. */
export function benchAead(): void {
  const arena = simdArena(8 * 1024);
  const ways = [wasmAead(arena), libcryptoAead(arena.bytes), nobleAead(arena.bytes)];
  for (const aead of ways) {
    if (aead) benchOne(aead, arena.start, arena.start + 4 * 1024);
  }
  benchHandshake();
}
