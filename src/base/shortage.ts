/** What a host, or this process, may be out of for a while. Pure. */

/** What is said of each shortage, by the name of its error (errno(3)). */
const SHORTAGES: ReadonlyMap<string, string> = new Map([
  ["EMFILE", "this process has no descriptor left (RLIMIT_NOFILE)"],
  ["ENFILE", "this host has no descriptor left (fs.file-max)"],
  ["ENOMEM", "the kernel has no memory left"],
  ["ENOBUFS", "the kernel has no buffer left"],
]);

/** Name of the errno behind an error of ours or of Deno's; undefined for one that is not the system's. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const name = "errnoName" in error ? error.errnoName : "code" in error ? error.code : undefined;
  return typeof name === "string" ? name : undefined;
}

/** What the host is out of, in words; undefined if that is not what the error is about. */
export function shortageOf(error: unknown): string | undefined {
  return SHORTAGES.get(errnoOf(error) ?? "");
}
