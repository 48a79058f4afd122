/** The deno executable that the portable form carries. */

import { RunError } from "../../base/errors.ts";
import type { Target } from "./options.ts";
import { runTool } from "./run.ts";

/** npm package with the executable alone, by target. */
const PACKAGES: Record<Target, string> = {
  x86_64: "@deno/linux-x64-glibc",
  aarch64: "@deno/linux-arm64-glibc",
};

/** e_machine of an ELF header (elf.h: EM_X86_64, EM_AARCH64), by target. */
const ELF_MACHINES: Record<Target, number> = { x86_64: 62, aarch64: 183 };

/** The package is about 40 MB. */
const FETCH_TIMEOUT_MS = 300_000;

/** True if the bytes start a 64-bit little-endian ELF file for the target. */
export function isElfFor(target: Target, bytes: Uint8Array): boolean {
  if (bytes.length < 20) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint32(0) === 0x7f454c46 && bytes[4] === 2 && bytes[5] === 1 &&
    view.getUint16(18, true) === ELF_MACHINES[target];
}

async function fetchRuntime(target: Target, directory: string): Promise<string> {
  const name = `${PACKAGES[target]}@${Deno.version.deno}`;
  const fail = (why: string): never => {
    throw new RunError({
      what: `the runtime for ${target} could not be had`,
      why: why || `npm pack ${name} failed`,
      how: `--runtime FILE with a deno ${Deno.version.deno} for ${target}`,
    });
  };
  const options = { cwd: directory, timeout_ms: FETCH_TIMEOUT_MS };
  const pack = await runTool("npm", ["pack", name], options);
  if (!pack.ok) fail(pack.why);
  const files = [...Deno.readDirSync(directory)].filter(({ name }) => name.endsWith(".tgz"));
  if (files.length !== 1) fail("npm left no package");
  const unpack = await runTool("tar", ["-xzf", files[0]!.name, "package/deno"], options);
  if (!unpack.ok) fail(unpack.why);
  return `${directory}/package/deno`;
}

/**
 * Bytes of the runtime for the target: `file` if given, else this very deno,
 * else the package of the same version, fetched into `directory`. Throws a RunError.
 */
export async function readRuntime(
  target: Target,
  file: string | undefined,
  directory: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const path = file ??
    (target === Deno.build.arch ? Deno.execPath() : await fetchRuntime(target, directory));
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    throw new RunError({
      what: `${path}: cannot be read`,
      why: error instanceof Error ? error.message : String(error),
    });
  }
  if (!isElfFor(target, bytes)) {
    throw new RunError({ what: `${path}: no program for Linux on ${target}` });
  }
  return bytes;
}
