/**
 * On which line of a tunnet.yaml a value is: the YAML parser does not tell. It knows block and flow
 * style, JSON too; what it does not know (complex keys, what is behind an alias) has no line of its
 * own. Pure.
 */

/** A mapping or a list whose end has not come yet. */
interface Open {
  readonly list: boolean;
  readonly path: string;
  /** Column of its entries; of no meaning in flow style. */
  readonly indent: number;
  /** Offset of its bracket, in flow style. */
  readonly at: number;
  /** Path of the entry that is being read. */
  entry: string;
  count: number;
  /** Whether the next token begins an entry (flow style). */
  fresh: boolean;
}

/** What the scan of a text comes to. */
interface Scan {
  /** Line, from 1, of each wanted path that was found. */
  readonly lines: ReadonlyMap<string, number>;
  /** Offset of a bracket or quote that was never closed, or of a quote that goes on for lines. */
  readonly unclosed?: number;
}

/** A key and its colon in block style; keys of a config hold no colon. */
const BLOCK_KEY =
  /(?:"((?:[^"\\\r\n]|\\.)*)"|'((?:[^'\r\n]|'')*)'|([^\s"'[\]{}#&*!|>%@`,?][^:\r\n]*))[ \t]*:(?=[ \t\r\n]|$)[ \t]*/y;
const PROPERTIES = /(?:[&!][^\s,[\]{}]*[ \t]*)*/y;
const PLAIN_IN_FLOW = /(?:[^\s,[\]{}:#]|:(?![\s,[\]{}]|$)|(?<!\s)#)+/y;

class Scanner {
  readonly lines = new Map<string, number>();
  unclosed: number | undefined;
  #at = 0;
  #line = 1;
  /** Lines with more indentation go on with a scalar. */
  #scalar = Infinity;
  readonly #open: Open[] = [];

  constructor(readonly text: string, readonly wanted: ReadonlySet<string>) {}

  scan(): Scan {
    while (this.#at < this.text.length) {
      const start = this.#at;
      while (this.text[this.#at] === " ") this.#at++;
      const indent = this.#at - start;
      const first = this.text[this.#at];
      const marker = indent === 0 && /^(---|\.\.\.|%)/.test(this.text.slice(start, start + 3));
      if (!/[#\r\n]/.test(first ?? "\n") && !marker && indent <= this.#scalar) {
        this.#scalar = Infinity;
        this.#entries(indent);
      }
      this.#endLine();
    }
    return this;
  }

  /** What begins at a column of a line: dashes, a key, a value. */
  #entries(column: number): void {
    const { text } = this;
    let indent = column;
    while (text[this.#at] === "-" && /\s|^$/.test(text[this.#at + 1] ?? "")) {
      const list = this.#enter(indent, true);
      this.#begin(list, `[${list.count++}]`);
      const dash = this.#at++;
      this.#skipBlanks();
      indent += this.#at - dash;
    }
    BLOCK_KEY.lastIndex = this.#at;
    const key = BLOCK_KEY.exec(text);
    if (key) {
      const mapping = this.#enter(indent, false);
      this.#begin(mapping, key[1] ?? key[2] ?? key[3]!.trimEnd());
      this.#at = BLOCK_KEY.lastIndex;
    }
    this.#value();
  }

  /** The mapping or list with entries at this column; opens it below the entry that is being read. */
  #enter(indent: number, list: boolean): Open {
    const open = this.#open;
    while (open.length > 0) {
      const top = open.at(-1)!;
      if (top.indent === indent && top.list === list) return top;
      // A list may be in the column of the key that it belongs to.
      if (top.indent < indent || top.indent === indent && list) break;
      open.pop();
    }
    return this.#push(indent, list);
  }

  #push(indent: number, list: boolean): Open {
    const path = this.#open.at(-1)?.entry ?? "";
    const made = { list, path, indent, at: this.#at, entry: "", count: 0, fresh: true };
    this.#open.push(made);
    return made;
  }

  /** An entry of a mapping or list: its path is `[index]` or `.key` behind the other's. */
  #begin(open: Open, name: string): void {
    open.fresh = false;
    // Nothing is asked for below: no path is made. A key that reads like a path is none.
    const made = this.wanted.has(open.path) && (open.list || !/[.[\]]/.test(name));
    open.entry = !made
      ? "-"
      : open.list || open.path === ""
      ? open.path + name
      : `${open.path}.${name}`;
    if (made && this.wanted.has(open.entry)) this.lines.set(open.entry, this.#line);
  }

  #value(): void {
    PROPERTIES.lastIndex = this.#at;
    PROPERTIES.exec(this.text);
    this.#at = Math.max(this.#at, PROPERTIES.lastIndex);
    const first = this.text[this.#at] ?? "\n";
    if (first === "[" || first === "{") this.#flow();
    else if (first === '"' || first === "'") this.#quoted();
    if (!/[\r\n#[{]/.test(first)) this.#scalar = this.#open.at(-1)?.indent ?? -1;
  }

  /** Reads up to the bracket that closes the one here. */
  #flow(): void {
    const { text } = this;
    const outside = this.#open.length;
    while (this.#at < text.length) {
      const c = text[this.#at]!;
      const top = this.#open.at(-1);
      if (c === "\n" || c === "\r") this.#endLine();
      else if (c === " " || c === "\t" || c === ":") this.#at++;
      else if (c === "#") this.#skipLine();
      else if (c === ",") {
        top!.fresh = true;
        this.#at++;
      } else if (c === "]" || c === "}") {
        if (top!.list !== (c === "]")) this.unclosed ??= top!.at;
        this.#open.pop();
        this.#at++;
        if (this.#open.length <= outside) return;
      } else this.#flowToken(c, this.#open.length > outside ? top : undefined);
    }
    this.unclosed ??= this.#open[outside]?.at;
    this.#open.length = outside;
  }

  /** A scalar, a key or an opening bracket within brackets. */
  #flowToken(c: string, top: Open | undefined): void {
    const fresh = top?.fresh === true;
    if (fresh && top.list) this.#begin(top, `[${top.count++}]`);
    const start = this.#at;
    if (c === "[" || c === "{") {
      this.#push(-1, c === "[");
      this.#at++;
      return;
    }
    const line = this.#line;
    if (c === '"' || c === "'") this.#quoted();
    else {
      PLAIN_IN_FLOW.lastIndex = start;
      PLAIN_IN_FLOW.exec(this.text);
      this.#at = Math.max(start + 1, PLAIN_IN_FLOW.lastIndex);
    }
    if (!fresh || top.list || line !== this.#line) return;
    this.#begin(top, this.text.slice(start, this.#at).replace(/^(["'])(.*)\1$/s, "$2"));
  }

  /** Reads to the end of the quoted scalar that begins here. */
  #quoted(): void {
    const { text } = this;
    const start = this.#at;
    const quote = text[start]!;
    const line = this.#line;
    for (this.#at++; this.#at < text.length; this.#at++) {
      const c = text[this.#at]!;
      if (c === "\n" || c === "\r") {
        this.#endLine();
        this.#at--;
      } else if (c === "\\" && quote === '"') this.#at++;
      else if (c === quote && quote === "'" && text[this.#at + 1] === "'") this.#at++;
      else if (c === quote) break;
    }
    this.#at++;
    if (this.#line > line || this.#at > text.length) this.unclosed ??= start;
  }

  #skipBlanks(): void {
    while (this.text[this.#at] === " " || this.text[this.#at] === "\t") this.#at++;
  }

  #skipLine(): void {
    while (this.#at < this.text.length && !/[\r\n]/.test(this.text[this.#at]!)) this.#at++;
  }

  /** Goes to the start of the next line. */
  #endLine(): void {
    this.#skipLine();
    if (this.text[this.#at] === "\r" && this.text[this.#at + 1] === "\n") this.#at++;
    this.#at++;
    this.#line++;
  }
}

/** `nodes[1].subnets[0]` and all that it is in: `nodes[1].subnets`, `nodes[1]`, `nodes` and "". */
function around(path: string): string[] {
  const ends = [...path.matchAll(/[.[]/g)].map(({ index }) => index);
  return [path, ...ends.reverse().map((end) => path.slice(0, end)), ""];
}

/**
 * The line, from 1, of each path such as `nodes[1].subnets[0]`; where nothing is at the path, of
 * what it would be in. Undefined if that is the whole text.
 */
export function findLines(
  text: string,
  paths: readonly string[],
): (path: string) => number | undefined {
  const wanted = new Set(paths.flatMap((path) => [...around(path)]));
  const { lines } = new Scanner(text, wanted).scan();
  return (path) => around(path).map((one) => lines.get(one)).find((line) => line !== undefined);
}

/** Offset of a bracket or a quote in a faulty text that was probably meant to be closed earlier. */
export function findUnclosed(text: string): number | undefined {
  return new Scanner(text, new Set()).scan().unclosed;
}
