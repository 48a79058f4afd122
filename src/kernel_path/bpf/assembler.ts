/**
 * Writes programs for the kernel's virtual machine (BPF, RFC 9669). Pure.
 *
 * An instruction is 8 bytes: operation, registers (destination in the low half,
 * source in the high half), a signed 16-bit offset, a signed 32-bit number. All
 * arithmetic here is on 64 bits; loads of less are extended with zeros.
 */

/** Registers: r0 is a call's result, r1 to r5 its arguments (lost), r6 to r9 are kept, r10 is the stack's end. */
export const R = {
  r0: 0,
  r1: 1,
  r2: 2,
  r3: 3,
  r4: 4,
  r5: 5,
  r6: 6,
  r7: 7,
  r8: 8,
  r9: 9,
  r10: 10,
} as const;
/** One of R. */
export type Register = typeof R[keyof typeof R];

/** A value: a register, or a number that is written into the instruction. */
export type Operand = Register | { readonly value: number };

/** A number as an operand. */
export const imm = (value: number): Operand => ({ value });

/** Bytes that a load or store moves. */
export type Width = 1 | 2 | 4 | 8;

/** RFC 9669, section 4.1: arithmetic on 64 bits. */
const ALU = {
  add: 0x07,
  sub: 0x17,
  mul: 0x27,
  div: 0x37,
  or: 0x47,
  and: 0x57,
  lsh: 0x67,
  rsh: 0x77,
  xor: 0xa7,
  mov: 0xb7,
} as const;
/** An arithmetic operation. */
export type Arithmetic = keyof typeof ALU;

/** RFC 9669, section 4.3: jumps that compare 64 bits, without signs. */
const JUMP = { "==": 0x15, ">": 0x25, ">=": 0x35, "!=": 0x55, "<": 0xa5, "<=": 0xb5 } as const;
/** A comparison. */
export type Comparison = keyof typeof JUMP;

/** RFC 9669, section 5: sizes of loads and stores. */
const SIZE: Readonly<Record<Width, number>> = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 };

const OP = {
  /** Bit of an operation: the second operand is a register. */
  register: 0x08,
  load: 0x61,
  storeNumber: 0x62,
  store: 0x63,
  atomicAdd8: 0xdb,
  loadWide: 0x18,
  toNetwork: 0xdc,
  jump: 0x05,
  call: 0x85,
  exit: 0x95,
} as const;
/** Source "register" of a wide load: the number is a map's descriptor. */
const PSEUDO_MAP_FD = 1;

/** Size of one instruction. */
export const INSTRUCTION_BYTES = 8;

interface Instruction {
  readonly code: number;
  readonly dst: number;
  readonly src: number;
  readonly offset: number;
  readonly number: number;
  /** Where a jump goes, until its offset is known. */
  readonly target?: string;
}

/** A program being written. Each method appends what it is named after. */
export class Assembler {
  readonly #instructions: Instruction[] = [];
  readonly #labels = new Map<string, number>();

  /** The next instruction can be jumped to by this name. */
  label(name: string): this {
    if (this.#labels.has(name)) throw new RangeError(`the label ${name} is defined twice`);
    this.#labels.set(name, this.#instructions.length);
    return this;
  }

  /** dst = value. */
  mov(dst: Register, value: Operand): this {
    return this.alu("mov", dst, value);
  }

  /** dst = dst OPERATION value. */
  alu(operation: Arithmetic, dst: Register, value: Operand): this {
    return this.#with(ALU[operation], dst, value, 0);
  }

  /** dst = the low 2 or 4 bytes of dst, turned from host to network order (or back). */
  swap(dst: Register, width: 2 | 4): this {
    return this.#add({ code: OP.toNetwork, dst, src: 0, offset: 0, number: 8 * width });
  }

  /** dst = memory at base + offset. */
  load(width: Width, dst: Register, base: Register, offset: number): this {
    return this.#add({ code: OP.load | SIZE[width], dst, src: base, offset, number: 0 });
  }

  /** Memory at base + offset = value. */
  store(width: Width, base: Register, offset: number, value: Operand): this {
    return typeof value === "number"
      ? this.#add({ code: OP.store | SIZE[width], dst: base, src: value, offset, number: 0 })
      : this.#add({
        code: OP.storeNumber | SIZE[width],
        dst: base,
        src: 0,
        offset,
        number: value.value,
      });
  }

  /** Adds a register to 8 bytes of memory, in one step for all processors. */
  add8(base: Register, offset: number, value: Register): this {
    return this.#add({ code: OP.atomicAdd8, dst: base, src: value, offset, number: 0 });
  }

  /** dst = a map, for a call's argument. */
  map(dst: Register, fd: number): this {
    this.#add({ code: OP.loadWide, dst, src: PSEUDO_MAP_FD, offset: 0, number: fd });
    return this.#add({ code: 0, dst: 0, src: 0, offset: 0, number: 0 });
  }

  /** dst = the address of the stack's byte at this (negative) offset. */
  stack(dst: Register, offset: number): this {
    return this.mov(dst, R.r10).alu("add", dst, imm(offset));
  }

  /** Goes to a label that comes later. */
  goto(label: string): this {
    return this.#add({ code: OP.jump, dst: 0, src: 0, offset: 0, number: 0, target: label });
  }

  /** Goes to a label that comes later if the comparison holds. */
  jump(left: Register, comparison: Comparison, right: Operand, label: string): this {
    return this.#with(JUMP[comparison], left, right, 0, label);
  }

  /** Calls a helper of the kernel by its number. */
  call(helper: number): this {
    return this.#add({ code: OP.call, dst: 0, src: 0, offset: 0, number: helper });
  }

  /** Ends the program with this result. */
  exit(result?: Operand): this {
    if (result !== undefined) this.mov(R.r0, result);
    return this.#add({ code: OP.exit, dst: 0, src: 0, offset: 0, number: 0 });
  }

  /** The program's bytes. Throws a RangeError for a jump to nowhere, or one that goes back. */
  encode(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(INSTRUCTION_BYTES * this.#instructions.length);
    const view = new DataView(bytes.buffer);
    this.#instructions.forEach(({ code, dst, src, offset, number, target }, i) => {
      const at = INSTRUCTION_BYTES * i;
      view.setUint8(at, code);
      view.setUint8(at + 1, src << 4 | dst);
      view.setInt16(at + 2, target === undefined ? offset : this.#distance(i, target), true);
      view.setInt32(at + 4, number, true);
    });
    return bytes;
  }

  /** Loops are not needed here, and a program without any ends for certain. */
  #distance(from: number, target: string): number {
    const to = this.#labels.get(target);
    if (to === undefined) throw new RangeError(`there is no label ${target}`);
    const distance = to - from - 1;
    if (distance < 0 || distance > 0x7fff) throw new RangeError(`the jump to ${target} goes back`);
    return distance;
  }

  #with(code: number, dst: Register, value: Operand, offset: number, target?: string): this {
    const rest = target === undefined ? {} : { target };
    return typeof value === "number"
      ? this.#add({ code: code | OP.register, dst, src: value, offset, number: 0, ...rest })
      : this.#add({ code, dst, src: 0, offset, number: value.value, ...rest });
  }

  #add(instruction: Instruction): this {
    this.#instructions.push(instruction);
    return this;
  }
}
