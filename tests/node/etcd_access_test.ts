/** TLS and authentication against a real etcd that has both switched on. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { systemTime } from "../../src/base/time.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { etcdAccess } from "../../src/node/etcd_access.ts";
import { EtcdClient } from "../../src/peers/source/etcd/client.ts";
import { makeCa, makeCertificate } from "../peers/certificates.ts";
import { RealEtcd } from "../peers/etcd.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** Which of the two it is told by depends on what is faster, the reason or the end. */
const NO_CERTIFICATE =
  /\(it (refuses|has closed the connection, perhaps for want of) this node's certificate\); try: cert_file and key_file of/;

/** A config of etcd: `NAME: VALUE` lines below it. */
function yamlOf(endpoint: string, keys: Readonly<Record<string, string>>): string {
  const lines = Object.entries({ endpoints: `["${endpoint}"]`, ...keys });
  return `etcd:\n${lines.map(([key, value]) => `  ${key}: ${value}\n`).join("")}`;
}

function clientOf(endpoint: string, keys: Readonly<Record<string, string>>): EtcdClient {
  const { etcd } = parseConfig(yamlOf(endpoint, keys), "t.yaml").config;
  return new EtcdClient(etcdAccess(etcd!), systemTime);
}

/** What the program prints of an etcd, and its exit status. */
async function list(dir: string, endpoint: string, keys: Readonly<Record<string, string>>) {
  Deno.writeTextFileSync(`${dir}/t.yaml`, yamlOf(endpoint, keys));
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", "--no-check", MAIN, "etcd", "ls", "-c", `${dir}/t.yaml`],
    stdin: "null",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

/** etcd with a certificate, which wants one of its clients as well. */
function secured(dir: string, name: string, up: Readonly<Record<string, string>>) {
  const args = ["--cert-file", `${dir}/${name}.pem`, "--key-file", `${dir}/${name}-key.pem`];
  const mutual = ["--client-cert-auth", "--trusted-ca-file", `${dir}/ca.pem`];
  return RealEtcd.start({ scheme: "https", args: [...args, ...mutual] }, async (etcd) => {
    try {
      return (await clientOf(etcd.endpoints[0]!, up).status(etcd.endpoints[0]!)).hasLeader;
    } catch {
      return name === "expired" && etcd.log(0).includes("elected leader");
    }
  });
}

Deno.test("etcd with TLS and authentication: who has both comes in, others hear why in one line", async (t) => {
  const dir = Deno.makeTempDirSync({ prefix: "tunnet-tls-" });
  try {
    await makeCa(dir, "ca");
    await makeCa(dir, "other");
    await makeCertificate(dir, "ca", "server");
    await makeCertificate(dir, "ca", "client");
    await makeCertificate(dir, "other", "stranger");
    await makeCertificate(dir, "ca", "expired", { days: -1 });
    await makeCertificate(dir, "ca", "named", { commonName: "node-a" });
    const file = (name: string, text: string) => {
      Deno.writeTextFileSync(`${dir}/${name}`, text, { mode: 0o600 });
      return `${dir}/${name}`;
    };
    const tls = {
      ca_file: `${dir}/ca.pem`,
      cert_file: `${dir}/client.pem`,
      key_file: `${dir}/client-key.pem`,
    };
    const user = { username: "tunnet", password_file: file("password", "secret\n") };
    await using etcd = await secured(dir, "server", tls);
    const [endpoint] = etcd.endpoints as [string];
    const http = Deno.createHttpClient({
      caCerts: [Deno.readTextFileSync(tls.ca_file)],
      cert: Deno.readTextFileSync(tls.cert_file),
      key: Deno.readTextFileSync(tls.key_file),
    });
    const post = async (path: string, body: unknown) => {
      const init = { method: "POST", body: JSON.stringify(body), client: http };
      const response = await fetch(`${endpoint}/v3/${path}`, init);
      const text = await response.text();
      assert(response.ok, text);
    };
    const [key, range_end] = ["/net/", "/net0"].map(btoa);
    await post("auth/user/add", { name: "root", password: "root" });
    await post("auth/role/add", { name: "root" });
    await post("auth/user/grant", { user: "root", role: "root" });
    await post("auth/user/add", { name: "tunnet", password: "secret" });
    await post("auth/role/add", { name: "net" });
    await post("auth/role/grant", { name: "net", perm: { permType: "READWRITE", key, range_end } });
    await post("auth/user/grant", { user: "tunnet", role: "net" });
    await post("auth/enable", {});
    http.close();

    await t.step("with certificate and password: keys, leases and a watch", async () => {
      const client = clientOf(endpoint, { ...tls, ...user });
      const lease = await client.grant(60);
      const revision = await client.write({
        ...{ key: "/net/a", value: "1", lease, modified_revision: 0 },
      });
      assert(revision > 0);
      assert(await client.renew(lease) > 0);
      assertEquals((await client.list("/net/")).keys.map((one) => one.value), ["1"]);
      assertEquals(await client.revisionAt(endpoint, "/net/config"), revision);
      const watch = client.watch(endpoint, "/net/", revision, new AbortController().signal);
      const seen: string[] = [];
      for await (const { events } of watch) {
        for (const event of events) if (event.what === "put") seen.push(event.kv.value);
        if (seen.length > 0) break;
      }
      assertEquals(seen, ["1"]);
    });
    const refused = async (name: string, keys: Readonly<Record<string, string>>, line: RegExp) =>
      await t.step(name, async () => {
        const { code, stderr } = await list(dir, endpoint, { prefix: "/net", ...keys });
        assertEquals(stderr.trim().split("\n").length, 1, stderr);
        assertMatch(stderr, line);
        assert(code === 1 || code === 2, `${code}`);
      });
    await refused(
      "no CA",
      {
        ...user,
        cert_file: tls.cert_file,
        key_file: tls.key_file,
      },
      /cannot be asked \(its certificate is of a CA that this node does not trust\); try: ca_file/,
    );
    await refused(
      "another CA",
      { ...tls, ...user, ca_file: `${dir}/other.pem` },
      /\(its certificate is of a CA that this node does not trust\); try: ca_file: the CA of etcd/,
    );
    await refused(
      "no certificate",
      { ca_file: tls.ca_file, ...user },
      NO_CERTIFICATE,
    );
    await refused("a certificate with a CommonName, where there are passwords too", {
      ...{ ...tls, ...user, cert_file: `${dir}/named.pem`, key_file: `${dir}/named-key.pem` },
    }, /refuses \(where it wants passwords, it takes no certificate with a CommonName\); try: a/);
    await refused("a certificate of another CA", {
      ...{ ...tls, ...user, cert_file: `${dir}/stranger.pem` },
      key_file: `${dir}/stranger-key.pem`,
    }, NO_CERTIFICATE);
    await refused(
      "a wrong password",
      { ...tls, ...user, password_file: file("wrong", "x") },
      /refuses \(wrong user or password\); try: the username and password_file of a user of etcd/,
    );
    await refused("no user", tls, /refuses \(it wants a user and a password\); try: username and/);
    await refused(
      "keys of others",
      { ...tls, ...user, prefix: "/other" },
      /refuses \(this user may not read and write there\); try: etcdctl role grant-permission/,
    );
    await refused(
      "a password that everybody may read",
      { ...tls, ...user, password_file: tls.ca_file },
      /etcd.password_file: .*ca.pem: everybody on this host may read it; try: chmod 600/,
    );
    await refused(
      "no such file",
      { ...tls, ca_file: "/nowhere" },
      /ca_file: \/nowhere: no such file/,
    );
    await t.step("an expired certificate", async () => {
      await using other = await secured(dir, "expired", tls);
      const { code, stderr } = await list(dir, other.endpoints[0]!, tls);
      assertMatch(stderr, /cannot be asked \(its certificate has expired\); try: a new one\n$/);
      assertEquals([code, stderr.trim().split("\n").length], [1, 1]);
    });
    await t.step("http where TLS is spoken", async () => {
      const plain = endpoint.replace("https:", "http:");
      const { stderr } = await list(dir, plain, { prefix: "/net" });
      assertMatch(stderr, /because it speaks TLS there\); try: https:\/\/127/);
    });
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
