/** A bed whose nodes have keys: each its own private key file, all one config. */

import { KEY_BYTES } from "../../src/wire/keys.ts";
import { type KeyPair, keyPairOf } from "../../src/wireguard/key_pair.ts";
import { assertEquals } from "../assert.ts";
import { type Bed, repoPath } from "./harness.ts";
import { ip } from "./ip.ts";

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

/** Gives node `i` of two another underlay address; `other` is where the other one is now. */
export async function moveTo(
  bed: Bed,
  i: number,
  address: string,
  other = bed.node(1 - i).address,
): Promise<void> {
  const { namespace, address: before } = bed.node(i);
  const steps = [
    [bed.node(1 - i).namespace, `route add ${address} dev eth0`],
    [namespace, `address add ${address}/32 dev eth0`],
    [namespace, `address del ${before}/32 dev eth0`],
    [namespace, `route replace ${other} dev eth0 src ${address}`],
  ] as const;
  for (const [where, step] of steps) await ip(["-n", where, ...step.split(" ")]);
}

/** Who floods whom with handshakes. */
export interface HandshakeFlood {
  /** The node whose namespace it is sent from: with its address and that of `as`, in turn. */
  readonly from: number;
  readonly as: number;
  readonly to: number;
  /** Of whom the handshakes are for. */
  readonly publicKey: string;
  /** Of all, in a second. */
  readonly rate: number;
  readonly seconds: number;
}

/** Sends initiations whose mac1 is right, and mac2 as soon as a cookie comes; how many of each. */
export async function floodHandshakes(
  bed: Bed,
  { from, as, to, publicKey, rate, seconds }: HandshakeFlood,
): Promise<{ readonly sent: number; readonly cookies: number }> {
  const script = repoPath("tests/e2e/flood_handshakes.ts");
  const sources = [...new Set([from, as])];
  const results = await Promise.all(sources.map(async (source) => {
    const child = bed.spawn(bed.node(from).namespace, [
      ...[Deno.execPath(), "run", "-A", "--no-check", "--unstable-net", script],
      ...[bed.node(source).address, "3009", bed.node(to).address, "3009"],
      ...[publicKey, `${rate / sources.length}`, `${seconds}`],
    ]);
    const { code, stdout, stderr } = await child.output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout).trim().split(" ").map(Number);
  }));
  const sum = (at: number) => results.reduce((total, counts) => total + counts[at]!, 0);
  return { sent: sum(0), cookies: sum(1) };
}
