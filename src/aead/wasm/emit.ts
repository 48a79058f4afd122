/**
 * Writes WebAssembly modules (core specification, chapter 5): instructions as
 * nested lists of bytes, in the order in which they run. Each function here gives
 * the code that leaves one value on the stack, or none. Pure.
 */

/** Code, or a piece of it. */
export type Code = number | readonly Code[];

/** Types of values. */
export const TYPE = { i32: 0x7f, i64: 0x7e, v128: 0x7b } as const;
/** One of TYPE. */
export type ValueType = typeof TYPE[keyof typeof TYPE];

/** An unsigned number in LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value;; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push(rest % 128 | 0x80);
  }
}

/** A signed number in LEB128: from -2^53 to 2^53. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value;; rest = Math.floor(rest / 128)) {
    const low = ((rest % 128) + 128) % 128;
    if (rest >= -64 && rest < 64) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

/** A variable of a function. */
export class Local {
  readonly get: Code;
  constructor(readonly index: number) {
    this.get = [0x20, ...unsigned(index)];
  }
  /** Gives it a value. */
  set(value: Code): Code {
    return [value, 0x21, unsigned(this.index)];
  }
  /** Gives it a value and leaves that on the stack. */
  tee(value: Code): Code {
    return [value, 0x22, unsigned(this.index)];
  }
}

/** The variables of a function: first its parameters, then all others. */
export class Locals {
  readonly types: ValueType[] = [];
  /** One more. */
  of(type: ValueType): Local {
    this.types.push(type);
    return new Local(this.types.length - 1);
  }
  /** `count` more. */
  row(type: ValueType, count: number): readonly Local[] {
    return Array.from({ length: count }, () => this.of(type));
  }
}

const binary = (opcode: number) => (a: Code, b: Code): Code => [a, b, opcode];
const unary = (opcode: number) => (a: Code): Code => [a, opcode];
/** Loads and stores: no alignment is promised. */
const load = (opcode: number) => (address: Code, offset = 0): Code => [
  address,
  opcode,
  0,
  unsigned(offset),
];
const store = (opcode: number) => (address: Code, value: Code, offset = 0): Code => [
  address,
  value,
  opcode,
  0,
  unsigned(offset),
];

/** 32-bit numbers. */
export const i32 = {
  const: (value: number): Code => [0x41, signed(value | 0)],
  add: binary(0x6a),
  sub: binary(0x6b),
  and: binary(0x71),
  eqz: unary(0x45),
  ltU: binary(0x49),
  gtU: binary(0x4b),
  leU: binary(0x4d),
  geU: binary(0x4f),
  xor: binary(0x73),
  load8: load(0x2d),
  store8: store(0x3a),
  ofI64: unary(0xa7),
} as const;

/** 64-bit numbers. */
export const i64 = {
  const: (value: number): Code => [0x42, signed(value)],
  add: binary(0x7c),
  mul: binary(0x7e),
  and: binary(0x83),
  or: binary(0x84),
  xor: binary(0x85),
  shrU: binary(0x88),
  eqz: unary(0x50),
  ofU32: unary(0xad),
  load: load(0x29),
  loadU32: load(0x35),
  store: store(0x37),
  storeU32: store(0x3e),
} as const;

const simd = (opcode: number): Code => [0xfd, unsigned(opcode)];
const simdBinary = (opcode: number) => (a: Code, b: Code): Code => [a, b, simd(opcode)];

/** Vectors of 128 bits, seen as four 32-bit numbers. */
export const v128 = {
  load: (address: Code, offset = 0): Code => [address, simd(0), 0, unsigned(offset)],
  /** The 32-bit number at an address, four times. */
  loadSplat: (address: Code, offset = 0): Code => [address, simd(9), 0, unsigned(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [
    address,
    value,
    simd(11),
    0,
    unsigned(offset),
  ],
  const: (words: readonly number[]): Code => [
    simd(12),
    ...new Uint8Array(Uint32Array.from(words).buffer),
  ],
  splat: (value: Code): Code => [value, simd(17)],
  /** Bytes of two vectors, by their numbers from 0 to 31. */
  shuffle: (a: Code, b: Code, bytes: readonly number[]): Code => [a, b, simd(13), ...bytes],
  /** Bytes of one vector, by the numbers in another. */
  swizzle: simdBinary(14),
  xor: simdBinary(0x51),
  or: simdBinary(0x50),
  add: simdBinary(0xae),
  shl: (a: Code, bits: number): Code => [a, i32.const(bits), simd(0xab)],
  shrU: (a: Code, bits: number): Code => [a, i32.const(bits), simd(0xad)],
} as const;

/** Runs code while its last value is not 0: at least once. */
export const loopWhile = (body: Code, condition: Code): Code => [
  [0x03, 0x40],
  body,
  condition,
  [0x0d, 0],
  0x0b,
];

/** Runs code while the value before it is not 0: perhaps never. */
export const whileDo = (condition: Code, body: Code): Code =>
  when(condition, loopWhile(body, condition));

/** Runs code if a value is not 0, else other code. */
export const when = (condition: Code, then: Code, otherwise?: Code): Code => [
  condition,
  [0x04, 0x40],
  then,
  otherwise === undefined ? [] : [0x05, otherwise],
  0x0b,
];

/** One of two values of a type, by a third. */
export const choose = (a: Code, b: Code, condition: Code): Code => [a, b, condition, 0x1b];

/** Appends the bytes of a piece of code. It runs once, before any of it is compiled: no iterators. */
function flatten(code: Code, out: number[]): number[] {
  if (typeof code === "number") out.push(code);
  else for (let i = 0; i < code.length; i++) flatten(code[i]!, out);
  return out;
}

function section(id: number, body: Code, out: number[]): void {
  const bytes = flatten(body, []);
  out.push(id, ...unsigned(bytes.length));
  for (let i = 0; i < bytes.length; i++) out.push(bytes[i]!);
}

const text = (value: string): Code => {
  const bytes = new TextEncoder().encode(value);
  return [unsigned(bytes.length), ...bytes];
};

/**
 * A module of one function, exported as `name`, over the memory that it imports as "" "memory".
 * `params` are the first of `locals`; `body` leaves a value of type `result`.
 */
export function moduleOf(
  name: string,
  params: number,
  result: ValueType,
  locals: Locals,
  body: Code,
): Uint8Array<ArrayBuffer> {
  const declared = locals.types.slice(params).map((type) => [1, type]);
  const code = flatten([unsigned(declared.length), declared, body, 0x0b], []);
  const out = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]; // magic, version
  section(1, [1, 0x60, unsigned(params), locals.types.slice(0, params), 1, result], out);
  section(2, [1, text(""), text("memory"), 2, 0, 1], out); // one page or more
  section(3, [1, 0], out);
  section(7, [1, text(name), 0, 0], out);
  section(10, [1, unsigned(code.length), code], out);
  return Uint8Array.from(out);
}
