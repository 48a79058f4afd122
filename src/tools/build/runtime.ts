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

/** What npm says of the package, as its own configuration leads it to the registry. */
interface Packed {
  readonly filename: string;
  /** What the registry says it must be: `sha512-` and the digest in Base64 (W3C SRI). */
  readonly integrity: string;
}

/** Whether the bytes are what the registry's metadata say. Only SHA-512 counts. */
export async function isIntact(
  bytes: Uint8Array<ArrayBuffer>,
  integrity: string,
): Promise<boolean> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-512", bytes)).toBase64();
  return integrity.split(/\s+/).includes(`sha512-${digest}`);
}

/** Fetches the package into a directory, checks and unpacks it; the path of the executable. */
async function fetchRuntime(target: Target, directory: string): Promise<string> {
  const name = `${PACKAGES[target]}@${Deno.version.deno}`;
  const fail = (why: string): never => {
    throw new RunError({
      what: `the runtime for ${target} is not available`,
      why,
      how: `--runtime FILE with a deno ${Deno.version.deno} for ${target}`,
    });
  };
  const options = { cwd: directory, timeout_ms: FETCH_TIMEOUT_MS };
  const view = await runTool("npm", ["view", "--json", name, "dist.integrity"], options);
  if (!view.ok) fail(view.why || `npm view ${name} failed`);
  const pack = await runTool("npm", ["pack", "--json", name], options);
  if (!pack.ok) fail(pack.why || `npm pack ${name} failed`);
  const { filename, integrity } = readAnswers(view.stdout, pack.stdout) ??
    fail("npm names no file");
  if (!await isIntact(await Deno.readFile(`${directory}/${filename}`), integrity)) {
    fail(`${filename} is not what the registry's checksum says`);
  }
  const unpack = await runTool("tar", ["-xzf", filename, "package/deno"], options);
  if (!unpack.ok) fail(unpack.why);
  return `${directory}/package/deno`;
}

/** What `npm view` and `npm pack` answer; undefined where that is not what is asked for. Pure. */
export function readAnswers(view: string, pack: string): Packed | undefined {
  try {
    const integrity: unknown = JSON.parse(view);
    const [packed]: readonly { readonly filename?: unknown }[] = JSON.parse(pack);
    const filename = packed?.filename;
    if (typeof integrity !== "string" || typeof filename !== "string") return undefined;
    // npm 8 writes the scope's slash into the name that it reports, and a dash into the file's.
    const file = filename.replace(/^@/, "").replaceAll("/", "-");
    return /^[\w.-]+$/.test(file) ? { filename: file, integrity } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
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
