/**
 * Sends datagrams, as a hostile host would: `send.ts SOURCE PORT TARGET TARGET_PORT`.
 * Standard input has one datagram a line, in hexadecimal. Bounded by its input.
 */

const [source, port, target, targetPort] = Deno.args;
const socket = Deno.listenDatagram({ transport: "udp", hostname: source!, port: Number(port) });
const to = { transport: "udp", hostname: target!, port: Number(targetPort) } as const;
const lines = (await new Response(Deno.stdin.readable).text()).split("\n");
lines.pop();
for (const line of lines) {
  const bytes = Uint8Array.from(line.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  await socket.send(bytes, to);
}
socket.close();
