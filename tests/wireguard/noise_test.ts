/** Noise IKpsk2 against published vectors, and against a naive second telling of the pattern. */

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { blake2s } from "@noble/hashes/blake2.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { assert, assertEquals } from "../assert.ts";
import { NoiseInitiator, NoiseResponder, type Party } from "../../src/wireguard/noise.ts";
import { PrivateKey } from "../../src/wireguard/x25519.ts";
import { random } from "../fuzz/random.ts";
import { vectors } from "./vectors.ts";

const hex = (text: string) => Uint8Array.fromHex(text);
const party = (key: PrivateKey): Party => ({ key, staticShared: (theirs) => key.shared(theirs) });

const NAME = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";

interface Vector {
  readonly protocol_name: string;
  readonly init_prologue: string;
  readonly init_psks: readonly string[];
  readonly init_static: string;
  readonly init_remote_static: string;
  readonly init_ephemeral: string;
  readonly resp_static: string;
  readonly resp_ephemeral: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

function checkVector(vector: Vector): void {
  const [first, second, ...transport] = vector.messages;
  const psk = hex(vector.init_psks[0]!);
  const prologue = hex(vector.init_prologue);
  const initiator = NoiseInitiator.begin(
    party(new PrivateKey(hex(vector.init_static))),
    hex(vector.init_remote_static),
    prologue,
    hex(vector.init_ephemeral),
    hex(first!.payload),
  )!;
  assertEquals(initiator.message.toHex(), first!.ciphertext);
  const responder = NoiseResponder.accept(
    party(new PrivateKey(hex(vector.resp_static))),
    prologue,
    initiator.message,
  )!;
  assertEquals(responder.payload.toHex(), first!.payload);
  const answer = responder.answer(psk, hex(vector.resp_ephemeral), hex(second!.payload))!;
  assertEquals(answer.message.toHex(), second!.ciphertext);
  const { keys, payload } = initiator.finish(answer.message, psk)!;
  assertEquals(payload.toHex(), second!.payload);
  assertEquals([keys.send, keys.receive], [answer.keys.receive, answer.keys.send]);
  for (const [i, { payload, ciphertext }] of transport.entries()) {
    const nonce = new Uint8Array(12);
    nonce[4] = i >> 1;
    const key = i % 2 === 0 ? keys.send : keys.receive;
    assertEquals(chacha20poly1305(key, nonce).encrypt(hex(payload)).toHex(), ciphertext);
  }
}

vectors("noise: the vector of cacophony", "cacophony.txt", (text) => {
  const all: Vector[] = JSON.parse(text).vectors;
  const ours = all.filter((one) => one.protocol_name === NAME);
  assertEquals(ours.length, 1);
  checkVector(ours[0]!);
});

/** Debian's golang-github-flynn-noise-dev has the vectors of another implementation. */
const DEBIAN = "/usr/share/gocode/src/github.com/flynn/noise/vectors.txt";

function debianVectors(): string | undefined {
  try {
    return Deno.readTextFileSync(DEBIAN);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`SKIPPED noise: no ${DEBIAN}`);
    return undefined;
  }
}

const debian = debianVectors();

Deno.test({
  name: "noise: the vectors of a Go implementation",
  ignore: debian === undefined,
  fn: () => {
    const ours = debian!.split("\n\n").filter((one) => one.includes(`handshake=${NAME}\n`));
    for (const text of ours) {
      const values = new Map(text.split("\n").map((line) => line.split("=") as [string, string]));
      const value = (name: string) => values.get(name) ?? "";
      checkVector({
        protocol_name: NAME,
        init_prologue: value("prologue"),
        init_psks: [value("preshared_key")],
        init_static: value("init_static"),
        init_remote_static: new PrivateKey(hex(value("resp_static"))).publicKey.toHex(),
        init_ephemeral: value("gen_init_ephemeral"),
        resp_static: value("resp_static"),
        resp_ephemeral: value("gen_resp_ephemeral"),
        messages: [0, 1, 2, 3].map((i) => ({
          payload: value(`msg_${i}_payload`),
          ciphertext: value(`msg_${i}_ciphertext`),
        })),
      });
    }
    assert(ours.length >= 4, `${ours.length} vectors`);
  },
});

/** The pattern told once more, without classes, by another library's HKDF: an oracle. */
function oracle(
  vector: Omit<Vector, "messages" | "protocol_name">,
  payloads: readonly Uint8Array[],
) {
  const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
  const [is, ie] = [hex(vector.init_static), hex(vector.init_ephemeral)].map((k) =>
    new PrivateKey(k)
  );
  const [rs, re] = [hex(vector.resp_static), hex(vector.resp_ephemeral)].map((k) =>
    new PrivateKey(k)
  );
  const none = new Uint8Array(0);
  let ck: Uint8Array = blake2s(new TextEncoder().encode(NAME));
  let h = ck;
  let k = none as Uint8Array;
  const mixHash = (data: Uint8Array) => h = blake2s(join(h, data));
  const mixKey = (input: Uint8Array) => {
    const out = hkdf(blake2s, input, ck, none, 64);
    [ck, k] = [out.slice(0, 32), out.slice(32)];
  };
  const seal = (text: Uint8Array) => {
    const sealed = chacha20poly1305(k, new Uint8Array(12), h).encrypt(text);
    mixHash(sealed);
    return sealed;
  };
  mixHash(hex(vector.init_prologue));
  mixHash(rs!.publicKey);
  mixHash(ie!.publicKey);
  mixKey(ie!.publicKey);
  mixKey(ie!.shared(rs!.publicKey)!);
  const s = seal(is!.publicKey);
  mixKey(is!.shared(rs!.publicKey)!);
  const first = join(ie!.publicKey, s, seal(payloads[0]!));
  mixHash(re!.publicKey);
  mixKey(re!.publicKey);
  mixKey(re!.shared(ie!.publicKey)!);
  mixKey(re!.shared(is!.publicKey)!);
  const out = hkdf(blake2s, hex(vector.init_psks[0]!), ck, none, 96);
  ck = out.slice(0, 32);
  mixHash(out.slice(32, 64));
  k = out.slice(64);
  const second = join(re!.publicKey, seal(payloads[1]!));
  const keys = hkdf(blake2s, none, ck, none, 64);
  return { first, second, send: keys.slice(0, 32), receive: keys.slice(32) };
}

Deno.test("noise: the same bytes as the oracle, with random keys, prologues and payloads", () => {
  const dice = random(5);
  for (let turn = 0; turn < 40; turn++) {
    const text = (length: number) => dice.bytes(length).toHex();
    const resp_static = text(32);
    const vector = {
      init_prologue: text(dice.below(40)),
      init_psks: [turn === 0 ? "00".repeat(32) : text(32)],
      init_static: text(32),
      init_remote_static: new PrivateKey(hex(resp_static)).publicKey.toHex(),
      init_ephemeral: text(32),
      resp_static,
      resp_ephemeral: text(32),
    };
    const payloads = [dice.bytes(dice.below(50)), dice.bytes(dice.below(50))];
    const { first, second, send, receive } = oracle(vector, payloads);
    const empty = chacha20poly1305(send, new Uint8Array(12)).encrypt(new Uint8Array(0));
    const back = chacha20poly1305(receive, new Uint8Array(12)).encrypt(new Uint8Array(0));
    checkVector({
      ...vector,
      protocol_name: "",
      messages: [
        { payload: payloads[0]!.toHex(), ciphertext: first.toHex() },
        { payload: payloads[1]!.toHex(), ciphertext: second.toHex() },
        { payload: "", ciphertext: empty.toHex() },
        { payload: "", ciphertext: back.toHex() },
      ],
    });
  }
});

Deno.test("noise: no bit of either message may change, nor a byte be missing", () => {
  const dice = random(6);
  const [a, b] = [new PrivateKey(dice.bytes(32)), new PrivateKey(dice.bytes(32))];
  const prologue = dice.bytes(7);
  const psk = dice.bytes(32);
  const begin = () =>
    NoiseInitiator.begin(party(a), b.publicKey, prologue, dice.bytes(32), dice.bytes(12))!;
  const initiator = begin();
  const changed = (bytes: Uint8Array<ArrayBuffer>, bit: number) => {
    const other = bytes.slice();
    other[bit >> 3]! ^= 1 << (bit & 7);
    return other;
  };
  const isMasked = (bit: number) => bit === 255; // X25519 ignores the top bit, the hash does not.
  for (let bit = 0; bit < 8 * initiator.message.length; bit++) {
    const responder = NoiseResponder.accept(party(b), prologue, changed(initiator.message, bit));
    assertEquals(responder, undefined, `first message, bit ${bit}${isMasked(bit) ? " (top)" : ""}`);
  }
  for (let length = 0; length < initiator.message.length; length++) {
    const cut = initiator.message.subarray(0, length);
    assertEquals(NoiseResponder.accept(party(b), prologue, cut), undefined, `${length} bytes`);
  }
  const answer = NoiseResponder.accept(party(b), prologue, initiator.message)!
    .answer(psk, dice.bytes(32), new Uint8Array(0))!;
  for (let bit = 0; bit < 8 * answer.message.length; bit++) {
    assertEquals(initiator.finish(changed(answer.message, bit), psk), undefined, `bit ${bit}`);
  }
  for (let length = 0; length < answer.message.length; length++) {
    assertEquals(initiator.finish(answer.message.subarray(0, length), psk), undefined);
  }
  assertEquals(initiator.finish(answer.message, dice.bytes(32)), undefined, "another psk");
  // All that did not end the handshake: the right answer still does.
  assert(initiator.finish(answer.message, psk));
});

Deno.test("noise: an ephemeral key of low order is refused on both sides", () => {
  const dice = random(7);
  const [a, b] = [new PrivateKey(dice.bytes(32)), new PrivateKey(dice.bytes(32))];
  const initiator = NoiseInitiator.begin(
    party(a),
    b.publicKey,
    new Uint8Array(0),
    dice.bytes(32),
    new Uint8Array(12),
  )!;
  const zero = initiator.message.slice();
  zero.fill(0, 0, 32);
  assertEquals(NoiseResponder.accept(party(b), new Uint8Array(0), zero), undefined);
  assertEquals(initiator.finish(new Uint8Array(48), new Uint8Array(32)), undefined);
  const low = new Uint8Array(32);
  assertEquals(
    NoiseInitiator.begin(party(a), low, new Uint8Array(0), dice.bytes(32), new Uint8Array(0)),
    undefined,
  );
});
