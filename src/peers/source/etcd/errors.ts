/** What went wrong with etcd, in words for people. Pure. */

import { type ErrorParts, RunError } from "../../../base/errors.ts";
import { parseObject } from "./records.ts";

/** What kind of failure: it decides whether another endpoint is asked, and what is done next. */
export type EtcdFailure =
  /** Nobody answered, or not in time, or there is no leader: another endpoint may. */
  | "unreachable"
  /** It is somebody else than it should be, or we are. */
  | "tls"
  /** A token that is not valid any more. */
  | "token"
  /** A wrong password, or no right to these keys. */
  | "denied"
  /** It answered, and said no. */
  | "refused";

/** A call of etcd that has failed. */
export class EtcdError extends RunError {
  constructor(readonly failure: EtcdFailure, parts: ErrorParts) {
    super(parts);
    this.name = "EtcdError";
  }
}

/** Texts of TLS failures, and what to say. */
const TLS: readonly (readonly [shows: RegExp, why: string, how: string])[] = [
  [
    /UnknownIssuer|CaUsedAsEndEntity|BadSignature/,
    "its certificate is of a CA that this node does not trust",
    "ca_file: the CA of etcd",
  ],
  [/CertExpired|certificate expired|Expired/i, "its certificate has expired", "a new one"],
  [/NotValidYet/, "its certificate is not valid yet", "the right time on both hosts"],
  [
    /NotValidForName/,
    "its certificate is not for this name",
    "the name or address in its certificate",
  ],
  [
    /CertificateRequired|certificate required|bad certificate|BadCertificate|UnknownCA|CertificateUnknown/i,
    "it refuses this node's certificate",
    "cert_file and key_file of a CA that etcd trusts",
  ],
  [
    /received corrupt message|InvalidContentType|HTTP\/0\.9|invalid HTTP version|wrong version/i,
    "it does not speak TLS there",
    "http:// or another port",
  ],
  [/invalid peer certificate/, "its certificate cannot be trusted", "ca_file: the CA of etcd"],
];

/** What a fetch has thrown: all of the texts that its causes have. */
function textsOf(error: unknown): string {
  const texts: string[] = [];
  for (let one = error, depth = 0; one instanceof Error && depth < 5; one = one.cause, depth++) {
    texts.push(one.message);
  }
  return texts.join(": ");
}

/** What it may be that a connection was closed for before there was an answer. */
function closed(endpoint: string): Omit<ErrorParts, "what"> {
  // A refused certificate looks like this, too, where the close is faster than its reason.
  return endpoint.startsWith("https:")
    ? {
      why: "it has closed the connection, perhaps for want of this node's certificate",
      how: "cert_file and key_file of a CA that etcd trusts",
    }
    : {
      why: "it has closed the connection, perhaps because it speaks TLS there",
      how: endpoint.replace("http:", "https:"),
    };
}

/** An endpoint could not be asked. */
export function fetchError(endpoint: string, error: unknown): EtcdError {
  const text = textsOf(error);
  const what = `etcd at ${endpoint} cannot be asked`;
  const tls = TLS.find(([shows]) => shows.test(text));
  if (tls) return new EtcdError("tls", { what, why: tls[1], how: tls[2] });
  if (/closed|reset/i.test(text)) {
    return new EtcdError("unreachable", { what, ...closed(endpoint) });
  }
  const why = /refused/i.test(text)
    ? "nobody listens there"
    : /dns|lookup/i.test(text)
    ? "its name is not known"
    : /unreachable|no route/i.test(text)
    ? "the network does not lead there"
    : text;
  const how = endpoint.startsWith("https:") ? undefined : "the URL of a member of etcd that runs";
  return new EtcdError("unreachable", { what, why, ...(how ? { how } : {}) });
}

/** An endpoint did not answer in time. */
export function timeoutError(endpoint: string, timeout_ms: number): EtcdError {
  const what = `etcd at ${endpoint} does not answer`;
  return new EtcdError("unreachable", { what, why: `not within ${timeout_ms / 1000} s` });
}

/** gRPC's numbers of what can be tried elsewhere: deadline exceeded, resource exhausted, unavailable. */
const ELSEWHERE = [4, 8, 14];
const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;

/** An endpoint has answered that it does not do it: `body` is what it says, JSON most often. */
export function answerError(endpoint: string, status: number, body: string): EtcdError {
  const { code, message } = parseObject(body) ?? { code: undefined, message: body.slice(0, 200) };
  const text = typeof message === "string" ? message.replace(/^etcdserver: /, "") : "";
  const what = `etcd at ${endpoint} refuses`;
  const why = text || `HTTP status ${status}`;
  if (text === "invalid auth token" || code === UNAUTHENTICATED) {
    return new EtcdError("token", { what, why });
  }
  if (text.startsWith("CommonName")) {
    const cause = "where it wants passwords, it takes no certificate with a CommonName";
    return new EtcdError("denied", { what, why: cause, how: "a certificate without a CN" });
  }
  if (text.startsWith("authentication failed")) {
    const how = "the username and password_file of a user of etcd";
    return new EtcdError("denied", { what, why: "wrong user or password", how });
  }
  if (text === "user name is empty") {
    const how = "username and password_file in the config";
    return new EtcdError("denied", { what, why: "it wants a user and a password", how });
  }
  if (code === PERMISSION_DENIED) {
    const how = "etcdctl role grant-permission ROLE --prefix=true readwrite PREFIX";
    return new EtcdError("denied", { what, why: "this user may not read and write there", how });
  }
  const elsewhere = ELSEWHERE.includes(Number(code)) ||
    /no leader|leader changed|timed out/.test(text);
  return new EtcdError(elsewhere ? "unreachable" : "refused", { what, why });
}
