/**
 * Published test vectors that the repository does not hold: files that are in
 * the folder TUNNET_VECTORS, under the names that their projects give them
 * (cacophony.txt of snow, *_test.json of Wycheproof's testvectors_v1).
 */

/** A test over the text of one of those files; skipped, and said so, where it is not there. */
export function vectors(name: string, file: string, run: (text: string) => void): void {
  const folder = Deno.env.get("TUNNET_VECTORS");
  if (folder === undefined) {
    console.log(`SKIPPED ${name}: TUNNET_VECTORS names no folder with ${file}`);
  }
  Deno.test({
    name,
    ignore: folder === undefined,
    fn: () => run(Deno.readTextFileSync(`${folder}/${file}`)),
  });
}
