/** A bed whose nodes have keys: each its own private key file, all one config. */

import { clamp, formatKey, KEY_BYTES } from "../../src/wire/keys.ts";
import { PrivateKey } from "../../src/wireguard/x25519.ts";
import type { Bed } from "./harness.ts";

/** A private key and its public one, in base64. */
export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** A new pair. */
export function newKeys(): KeyPair {
  const key = clamp(crypto.getRandomValues(new Uint8Array(KEY_BYTES)));
  return { privateKey: formatKey(key), publicKey: formatKey(new PrivateKey(key).publicKey) };
}

/** Writes a key to a file that only root may read; its path. */
export function keyFile(bed: Bed, name: string, key: string): string {
  const path = `${bed.dir}/${name}`;
  Deno.writeTextFileSync(path, `${key}\n`, { mode: 0o600 });
  return path;
}

/** The bed's config with a public key for each node; `lines` are added to each node's entry. */
export function keyedYaml(
  bed: Bed,
  keys: readonly Pick<KeyPair, "publicKey">[],
  lines: readonly string[] = [],
): string {
  let i = 0;
  return bed.yaml.replaceAll(/^( *)- name: .*$/gm, (line, indent) => {
    const added = [`public_key: "${keys[i++]!.publicKey}"`, ...lines];
    return [line, ...added.map((one) => `${indent}  ${one}`)].join("\n");
  });
}

/** What starts node `i` with its key. */
export function keyedArgs(bed: Bed, i: number, ...more: string[]): string[] {
  return [
    ...["-c", `${bed.dir}/keyed.yaml`, "--private-key-file", `${bed.dir}/key${i}`],
    ...more,
  ];
}

/** Gives all nodes of the bed their keys, and writes the config. */
export function giveKeys(bed: Bed, lines: readonly string[] = []): readonly KeyPair[] {
  const keys = bed.plan.nodes.map(() => newKeys());
  keys.forEach(({ privateKey }, i) => keyFile(bed, `key${i}`, privateKey));
  Deno.writeTextFileSync(`${bed.dir}/keyed.yaml`, keyedYaml(bed, keys, lines));
  return keys;
}
