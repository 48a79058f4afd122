import { assert, assertEquals, assertMatch } from "../assert.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { parseAddress } from "../../src/net/prefix.ts";
import { Probe, probeFailure } from "../../src/io/probe_socket.ts";

const DATAGRAM = Uint8Array.of(0xf1, 1);

/** A UDP socket on loopback. */
function listen(hostname: string): Deno.DatagramConn & { readonly addr: Deno.NetAddr } {
  const connection = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  return connection as Deno.DatagramConn & { readonly addr: Deno.NetAddr };
}

/** A probe that is closed afterwards. */
function probeOf(host: string, port: number): { probe: Probe } & Disposable {
  const probe = new Probe(parseAddress(host)!, port);
  return { probe, [Symbol.dispose]: () => probe.close() };
}

for (const host of ["127.0.0.1", "::1"]) {
  Deno.test(`probe: ${host}: what arrives has no error, a closed port has one, once`, async () => {
    const open = listen(host);
    const { port } = open.addr;
    using one = probeOf(host, port);
    assertEquals(one.probe.send(DATAGRAM), 0);
    const [bytes] = await open.receive();
    assertEquals([...bytes], [...DATAGRAM]);
    assertEquals(one.probe.error(), 0);
    open.close();
    // On loopback the answer is there when send() returns.
    assertEquals(one.probe.send(DATAGRAM), 0);
    assertEquals(one.probe.error(), ERRNO.ECONNREFUSED);
    assertEquals(one.probe.error(), 0);
    assertMatch(
      probeFailure(ERRNO.ECONNREFUSED, host, port),
      /^nothing listens on UDP port \d+ of/,
    );
  });
}

Deno.test("probe: an address that cannot be sent to is told by send itself", () => {
  using one = probeOf("255.255.255.255", 9);
  const errno = one.probe.send(DATAGRAM);
  // Broadcast without SO_BROADCAST; or no network at all.
  assert(errno === ERRNO.EACCES || errno === ERRNO.ENETUNREACH, `errno ${errno}`);
});

Deno.test("probe: each errno has its words", () => {
  const words = [ERRNO.ECONNREFUSED, ERRNO.EHOSTUNREACH, ERRNO.ENETUNREACH, ERRNO.EACCES, ERRNO.EIO]
    .map((errno) => probeFailure(errno, "10.0.0.1", 3009));
  assertEquals(words, [
    "nothing listens on UDP port 3009 of 10.0.0.1",
    "the host 10.0.0.1 does not answer",
    "no route leads to 10.0.0.1",
    "a firewall refuses what is sent to 10.0.0.1",
    "datagrams to 10.0.0.1 fail: EIO",
  ]);
});
