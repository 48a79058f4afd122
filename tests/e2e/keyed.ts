/** A bed whose nodes have keys: each its own private key file, all one config. */

import { KEY_BYTES } from "../../src/wire/keys.ts";
import { type KeyPair, keyPairOf } from "../../src/wireguard/key_pair.ts";
import type { Bed } from "./harness.ts";

/** A new pair. */
export const newKeys = (): KeyPair => keyPairOf(crypto.getRandomValues(new Uint8Array(KEY_BYTES)));

/** Writes a key to a file that only root may read; its path. */
export function keyFile(bed: Bed, name: string, key: string): string {
  const path = `${bed.dir}/${name}`;
  Deno.writeTextFileSync(path, `${key}\n`, { mode: 0o600 });
  return path;
}

/** What starts node `i` with its key. */
export function keyedArgs(bed: Bed, i: number, ...more: string[]): string[] {
  return [
    ...["-c", `${bed.dir}/keyed.yaml`, "--private-key-file", `${bed.dir}/key${i}`],
    ...more,
  ];
}

/** Gives all nodes of the bed their keys, and writes the config; `lines` are added to node `i`. */
export function giveKeys(
  bed: Bed,
  lines: (i: number) => readonly string[] = () => [],
): readonly KeyPair[] {
  const keys = bed.plan.nodes.map(newKeys);
  keys.forEach(({ privateKey }, i) => keyFile(bed, `key${i}`, privateKey));
  let i = 0;
  const yaml = bed.yaml.replaceAll(/^( *)- name: .*$/gm, (line, indent) => {
    const added = [`public_key: "${keys[i]!.publicKey}"`, ...lines(i++)];
    return [line, ...added.map((one) => `${indent}  ${one}`)].join("\n");
  });
  Deno.writeTextFileSync(`${bed.dir}/keyed.yaml`, yaml);
  return keys;
}
