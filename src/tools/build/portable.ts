/** The portable form: one file that is a shell script, the program and the runtime. */

import { gzipSync } from "node:zlib";
import { type Program, WORKER_NAME } from "./bundle.ts";
import type { Target } from "./options.ts";
import { PERMISSION_FLAGS, UNSTABLE_FLAGS, V8_FLAGS } from "./permissions.ts";

/** Flags of `deno run` that keep the machine's own Deno settings out. */
const RUN_FLAGS = [
  "--quiet",
  "--no-config",
  "--no-lock",
  "--no-remote",
  "--no-npm",
  "--no-code-cache",
  ...UNSTABLE_FLAGS,
  ...PERMISSION_FLAGS,
  ...V8_FLAGS,
];

/** What goes into the file. */
export interface PortableParts {
  readonly version: string;
  readonly target: Target;
  readonly program: Program;
  readonly runtime: Uint8Array<ArrayBuffer>;
  /** Text of header.sh. */
  readonly header: string;
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** One compressed piece of the file. */
interface Section {
  readonly name: string;
  readonly packed: Uint8Array;
  readonly sha256: string;
}

async function section(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<Section> {
  // zlib writes neither a time nor a name: the same bytes give the same bytes.
  const packed = new Uint8Array(gzipSync(bytes, { level: 9 }));
  return { name, packed, sha256: await sha256(bytes) };
}

/** Replaces every @NAME@; throws if one is left over or unknown. */
function fill(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(/@([A-Z0-9_]+)@/g, (_, name) => {
    const value = values.get(name);
    if (value === undefined) throw new Error(`header.sh: nothing is called ${name}`);
    return value;
  });
}

/** The whole file. The same parts give the same bytes. */
export async function portableFile(parts: PortableParts): Promise<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  const { program } = parts;
  const sections = [
    await section("MAIN", encoder.encode(program.main)),
    await section("WORKER", encoder.encode(program.worker)),
    await section("RUNTIME", parts.runtime),
  ];
  const values = new Map([
    ["VERSION", parts.version],
    ["ARCH", parts.target],
    ["WORKER_NAME", WORKER_NAME],
    ["FLAGS", RUN_FLAGS.map((flag) => `'${flag}'`).join(" ")],
    ["PROGRAM_KEY", await sha256(encoder.encode(sections.map((part) => part.sha256).join()))],
  ]);
  for (const { name, packed, sha256 } of sections) {
    values.set(`${name}_BYTES`, `${packed.length}`).set(`${name}_SHA256`, sha256);
  }
  const render = (headerBytes: number): Uint8Array => {
    // `tail -c +N` counts from 1.
    let offset = headerBytes + 1;
    for (const { name, packed } of sections) {
      values.set(`${name}_OFFSET`, `${offset}`);
      offset += packed.length;
    }
    return encoder.encode(fill(parts.header, values));
  };
  // The header holds its own length: digits may add some, so look again until it fits.
  let header = render(0);
  while (true) {
    const next = render(header.length);
    if (next.length === header.length) {
      header = next;
      break;
    }
    header = next;
  }
  return new Uint8Array(
    await new Blob([header, ...sections.map(({ packed }) => packed)] as BlobPart[]).arrayBuffer(),
  );
}
