import { assert, assertEquals } from "../assert.ts";
import { SOCKET_BUFFER_BYTES } from "../../src/base/limits.ts";
import { bufferWarnings, socketDrops } from "../../src/io/socket_buffers.ts";
import { openUdp } from "../../src/io/udp_open.ts";

const ENOUGH = { receive_bytes: SOCKET_BUFFER_BYTES, send_bytes: SOCKET_BUFFER_BYTES };

Deno.test("buffers: a warning names each that is much too small, and the setting that mends it", () => {
  assertEquals(bufferWarnings(ENOUGH), []);
  assertEquals(bufferWarnings({ ...ENOUGH, receive_bytes: SOCKET_BUFFER_BYTES / 2 }), []);
  assertEquals(bufferWarnings({ ...ENOUGH, receive_bytes: 212_992 }), [
    "the socket's receive buffer has 208 KiB, not 8192: bursts may be dropped; " +
    "try: sysctl -w net.core.rmem_max=8388608",
  ]);
  assertEquals(bufferWarnings({ receive_bytes: 1, send_bytes: 1 }).length, 2);
});

Deno.test("buffers: the kernel's drops are counted from 0 up", async () => {
  const udp = openUdp("127.0.0.1", 0, { batch: "preferred", features: new Set() });
  const sender = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  try {
    assert(udp.buffers.receive_bytes > 0 && udp.buffers.send_bytes > 0);
    assertEquals(socketDrops(udp.fd), 0);
    // Far more than the buffer holds: nobody receives.
    const datagram = new Uint8Array(60_000);
    const count = 2 * Math.ceil(2 * udp.buffers.receive_bytes / datagram.length);
    for (let i = 0; i < count; i++) await sender.send(datagram, udp.connection.addr);
    const drops = socketDrops(udp.fd)!;
    assert(drops > 0 && drops < count, `${drops} of ${count}`);
  } finally {
    sender.close();
    udp.connection.close();
  }
});
