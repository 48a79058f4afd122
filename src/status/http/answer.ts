/** An HTTP answer, and its head as bytes (RFC 9112). Pure. */

/** What is answered. */
export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. Length, date and connection are added. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Writes some bytes; resolves to how many it took. */
export type WriteSome = (bytes: Uint8Array<ArrayBuffer>) => Promise<number>;

/** An answer that goes on until the client, or who writes it, has had enough. */
export interface HttpStream {
  /** As those of an answer, without a length. */
  readonly headers: Readonly<Record<string, string>>;
  /** Begins to write; `close` ends the connection. What it returns is called at the end. */
  readonly start: (write: WriteSome, close: () => void) => () => void;
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Content Too Large",
  421: "Misdirected Request",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};

const encoder = new TextEncoder();

/** The text as bytes, for a body. */
export const bodyBytes = (text: string): Uint8Array => encoder.encode(text);

/** An answer that is a status and nothing else. */
export function plainAnswer(status: number): HttpAnswer {
  const headers = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" };
  return { status, headers, body: bodyBytes(`${REASONS[status]}\n`) };
}

/** The head of a stream: it ends with its connection (RFC 9112, 6.3). */
export function formatStreamHead({ headers }: HttpStream, now: Date): Uint8Array {
  return headBytes(200, headers, [`date: ${now.toUTCString()}`, "connection: close"]);
}

function headBytes(
  status: number,
  headers: Readonly<Record<string, string>>,
  more: readonly string[],
): Uint8Array {
  const lines = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? ""}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...more,
  ];
  return encoder.encode(lines.join("\r\n") + "\r\n\r\n");
}

/** The head of an answer. `keepAlive`: whether another request may follow. */
export function formatHead(
  { status, headers, body }: HttpAnswer,
  keepAlive: boolean,
  now: Date,
): Uint8Array {
  return headBytes(status, headers, [
    `content-length: ${body.length}`,
    `date: ${now.toUTCString()}`,
    `connection: ${keepAlive ? "keep-alive" : "close"}`,
  ]);
}
