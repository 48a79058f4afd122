/** Certificates of a test, made by openssl(1): CAs, and what they sign. */

import { assertEquals } from "../assert.ts";

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

async function openssl(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command("openssl", { args: [...args], stdin: "null" })
    .output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
}

/** Makes `NAME.pem` and `NAME-key.pem` of a CA in a folder. */
export async function makeCa(dir: string, name: string): Promise<void> {
  const files = ["-keyout", `${dir}/${name}-key.pem`, "-out", `${dir}/${name}.pem`];
  await openssl("req", "-x509", ...NEW_KEY, ...files, "-subj", `/CN=${name}`, "-days", "2");
}

/**
 * Makes `NAME.pem` and `NAME-key.pem`, signed by a CA, for 127.0.0.1; `days` below 0: expired.
 * Without a CommonName unless it is given.
 */
export async function makeCertificate(
  dir: string,
  ca: string,
  name: string,
  { days = 2, commonName }: { readonly days?: number; readonly commonName?: string } = {},
): Promise<void> {
  const extensions = `${dir}/${name}.ext`;
  const use = "extendedKeyUsage=serverAuth,clientAuth\n";
  Deno.writeTextFileSync(extensions, `subjectAltName=IP:127.0.0.1\n${use}`);
  const files = ["-keyout", `${dir}/${name}-key.pem`, "-out", `${dir}/${name}.csr`];
  await openssl(
    "req",
    ...NEW_KEY,
    ...files,
    "-subj",
    commonName ? `/CN=${commonName}` : "/O=tunnet",
  );
  const signed = ["-CA", `${dir}/${ca}.pem`, "-CAkey", `${dir}/${ca}-key.pem`, "-CAcreateserial"];
  await openssl(
    ...["x509", "-req", "-in", `${dir}/${name}.csr`, ...signed, "-days", `${days}`],
    ...["-extfile", extensions, "-out", `${dir}/${name}.pem`],
  );
  Deno.chmodSync(`${dir}/${name}-key.pem`, 0o600);
}
