/** Finds the node that runs here, and asks it for its status. */

import { RunError } from "../base/errors.ts";
import type { LogEntry } from "../base/log.ts";
import { STATUS_MAX_BYTES, STATUS_TIMEOUT_MS } from "../base/limits.ts";
import { isOfNamespace, socketDirectories, socketName } from "./socket.ts";
import { type Status, STATUS_FORMAT } from "./model/types.ts";

/** Which node to ask; with none named, the only one of this namespace. */
export interface NodeChoice {
  readonly socket: string | undefined;
  readonly device: string | undefined;
  /** Name of the network namespace; undefined for the host's own. */
  readonly netns: string | undefined;
  readonly uid: number;
}

/** Sockets that an error lists. */
const LISTED_MAX = 8;

function list(paths: readonly string[]): string {
  const more = paths.length - LISTED_MAX;
  return paths.slice(0, LISTED_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function noNode(why: string, how = "sudo tunnet --peer"): never {
  throw new RunError({ what: "no node runs here", why, how });
}

/** Sockets in the usual directories. */
function standingSockets(uid: number): readonly string[] {
  return socketDirectories(uid).flatMap((directory) => {
    try {
      return [...Deno.readDirSync(directory)].filter(({ name }) => name.endsWith(".sock"))
        .map(({ name }) => `${directory}/${name}`).sort();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      if (error instanceof Deno.errors.PermissionDenied) {
        throw new RunError({
          what: `cannot look into ${directory}`,
          why: "permission denied",
          how: "sudo",
        });
      }
      throw error;
    }
  });
}

/** Path of the socket of the node to ask. Throws a RunError where that is not clear. */
export function findSocket({ socket, device, netns, uid }: NodeChoice): string {
  if (socket !== undefined) return socket;
  const all = standingSockets(uid);
  const fileOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);
  const here = all.filter((path) => isOfNamespace(fileOf(path), netns));
  const wanted = device === undefined
    ? here
    : here.filter((path) => fileOf(path) === socketName(device, netns));
  if (wanted.length === 1) return wanted[0]!;
  if (wanted.length > 1) {
    throw new RunError({
      what: "several nodes run here",
      why: list(wanted),
      how: "--device NAME, or --socket PATH",
    });
  }
  if (here.length > 0) {
    noNode(`none with the device ${device}; there is ${list(here)}`, "--device NAME");
  }
  if (all.length > 0) {
    return noNode(`only in other network namespaces: ${list(all)}`, "--socket PATH");
  }
  return noNode(`no status socket in ${socketDirectories(uid).join(" or ")}`);
}

/** Makes of what went wrong with a socket an error that helps. Throws a RunError. */
export function failure(error: unknown, path: string, timeout_ms: number): never {
  const what = `cannot ask ${path}`;
  if (error instanceof Deno.errors.PermissionDenied) {
    throw new RunError({ what, why: "permission denied", how: "sudo" });
  }
  if (error instanceof Deno.errors.NotFound) noNode(`there is no ${path}`);
  if (error instanceof Deno.errors.ConnectionRefused) {
    noNode(`nobody listens on ${path}: the node was killed`);
  }
  if (error instanceof DOMException && error.name === "TimeoutError") {
    throw new RunError({ what, why: `it does not answer within ${timeout_ms / 1000} s` });
  }
  // fetch names only its own part; what went wrong is in the cause.
  const reason = error instanceof Error ? error.cause ?? error : error;
  throw new RunError({ what, why: reason instanceof Error ? reason.message : String(reason) });
}

/** The body of an answer, of bounded size. */
async function bodyOf(response: Response): Promise<string> {
  if (response.status !== 200) throw new Error(`it answers with status ${response.status}`);
  const decoder = new TextDecoder();
  let text = "";
  let size_bytes = 0;
  for await (const chunk of response.body ?? []) {
    size_bytes += chunk.length;
    if (size_bytes > STATUS_MAX_BYTES) {
      throw new Error(`its answer is over ${STATUS_MAX_BYTES} bytes`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function readStatus(body: string): Status {
  const status: Status = JSON.parse(body);
  if (status?.format !== STATUS_FORMAT) {
    throw new Error(`it speaks ${JSON.stringify(status?.format)}, not ${STATUS_FORMAT}`);
  }
  return status;
}

/** Asks the node behind a socket for its status. Throws a RunError when there is no right answer. */
export async function askStatus(path: string): Promise<Status> {
  return await askNode(path, "GET", "/status.json", STATUS_TIMEOUT_MS, readStatus);
}

/** Asks it for the last lines of its log. Throws a RunError likewise. */
export async function askEvents(path: string): Promise<readonly LogEntry[]> {
  return await askNode(path, "GET", "/events.json", STATUS_TIMEOUT_MS, JSON.parse);
}

/** A client of the node behind a unix socket. Throws Deno's errors where nobody is there. */
export async function connectNode(path: string): Promise<Deno.HttpClient> {
  // fetch does not tell why it cannot connect: this throws an error with a class of its own.
  (await Deno.connect({ transport: "unix", path })).close();
  return Deno.createHttpClient({ proxy: { transport: "unix", path } });
}

/**
 * Sends an HTTP request to the node behind a unix socket; `read` makes of the answer's body
 * what it is, or throws an Error. Throws a RunError when there is no right answer.
 */
export async function askNode<T>(
  path: string,
  method: "GET" | "POST",
  resource: string,
  timeout_ms: number,
  read: (body: string) => T,
): Promise<T> {
  try {
    using client = await connectNode(path);
    // A name would be looked up, although the socket is the way: an address needs no resolver.
    const response = await fetch(`http://127.0.0.1${resource}`, {
      client,
      method,
      signal: AbortSignal.timeout(timeout_ms),
      redirect: "manual",
      // The packets' thread would compress the answer.
      headers: { "accept-encoding": "identity" },
    });
    return read(await bodyOf(response));
  } catch (error) {
    return failure(error, path, timeout_ms);
  }
}
