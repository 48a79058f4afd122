/** Files that a service manager reads for a service whose user may not (systemd.exec(5)). Pure. */

/** Names the folder that they are in. */
export const CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY";

/** The name there of the file of this path; no two paths share one. */
export function credentialName(path: string): string {
  return encodeURIComponent(path).replaceAll("_", "%5F").replaceAll("%", "_");
}
