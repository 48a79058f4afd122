import { assert, assertEquals } from "../assert.ts";
import { Remover } from "../../src/status/remover.ts";
import { until } from "../e2e/harness.ts";
import { socketIdentity } from "../../src/status/socket.ts";

function withSocket(use: (path: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const directory = Deno.makeTempDirSync();
    // A name that a shell would take apart.
    const path = `${directory}/a $(touch b) '"*.sock`;
    const listener = Deno.listen({ transport: "unix", path });
    try {
      await use(path);
    } finally {
      listener.close();
      Deno.removeSync(directory, { recursive: true });
    }
  };
}

Deno.test(
  "remover: the socket goes when it is told",
  withSocket(async (path) => {
    const remover = Remover.start(path, socketIdentity(path), "none");
    assert(remover);
    assert(socketIdentity(path) !== undefined);
    await remover.remove();
    assertEquals(socketIdentity(path), undefined);
  }),
);

Deno.test(
  "remover: signals for all do not end it",
  withSocket(async (path) => {
    const remover = Remover.start(path, socketIdentity(path), "none");
    assert(remover);
    const { child } = remover;
    // Of all four that it leaves unheeded (proc_pid_status(5)).
    const ignored = 0x4007n;
    const text = () => Deno.readTextFileSync(`/proc/${child.pid}/status`);
    const isReady = () =>
      (BigInt(`0x${/^SigIgn:\s*(\w+)$/m.exec(text())![1]}`) & ignored) === ignored;
    await until("it is ready", 5_000, isReady);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const) child.kill(signal);
    await remover.remove();
    assertEquals(socketIdentity(path), undefined);
  }),
);

Deno.test(
  "remover: another one in its place stays",
  withSocket(async (path) => {
    await Remover.start(path, "1:1", "none")!.remove();
    assert(socketIdentity(path) !== undefined);
  }),
);

Deno.test("remover: of a socket that is not there, none", () => {
  assertEquals(Remover.start("/nowhere/a.sock", undefined, "none"), undefined);
});
