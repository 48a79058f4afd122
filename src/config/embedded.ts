/** The text of a tunnet.yaml that `deno task build --config FILE` puts into the executable. */
export const EMBEDDED_CONFIG: string | undefined = undefined;
