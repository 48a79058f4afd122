/** The program's version, as `tunnet --version` prints it; deno.json holds the same. */
export const VERSION = "0.1.0";
