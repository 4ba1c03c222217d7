/**
 * The program of a pause container: one static ELF executable of some two hundred bytes, put together here, so that neither a registry nor
 * a compiler is needed for it. It waits for signals for ever: a child that ended is taken off the process table (in a shared pid namespace it is
 * everybody's process 1), SIGTERM and SIGINT end it with code 0.
 *
 * It blocks its signals and fetches them one by one: a blocked signal reaches even process 1, which needs no handlers then. Registers
 * and system call numbers are those of Linux on each architecture. Pure.
 */

export const pauseArchitectures = ['amd64', 'arm64'] as const;
export type PauseArchitecture = (typeof pauseArchitectures)[number];

type SystemCall = 'rt_sigprocmask' | 'rt_sigtimedwait' | 'wait4' | 'exit';

/** `signals` stands for the address of the set of signals. Absent arguments are 0. */
type Argument = number | 'signals';

type Operation =
  | { kind: 'label'; name: string }
  /** Its result is what the next jumps judge. */
  | { kind: 'call'; name: SystemCall; arguments: readonly Argument[] }
  | { kind: 'jump'; to: string; when: 'always' | 'equal' | 'less' | 'greater'; than: number };

const signals = { interrupt: 2, terminate: 15, child: 17 } as const;
const anyChild = -1;
const withoutWaiting = 1;
const signalSetBytes = 8;

const program: readonly Operation[] = [
  // SIG_BLOCK is 0.
  { kind: 'call', name: 'rt_sigprocmask', arguments: [0, 'signals', 0, signalSetBytes] },
  { kind: 'label', name: 'wait' },
  { kind: 'call', name: 'rt_sigtimedwait', arguments: ['signals', 0, 0, signalSetBytes] },
  { kind: 'jump', to: 'reap', when: 'equal', than: signals.child },
  // Interrupted, for instance by being stopped and continued.
  { kind: 'jump', to: 'wait', when: 'less', than: 0 },
  { kind: 'call', name: 'exit', arguments: [0, 0, 0, 0] },
  { kind: 'label', name: 'reap' },
  { kind: 'call', name: 'wait4', arguments: [anyChild, 0, withoutWaiting, 0] },
  { kind: 'jump', to: 'reap', when: 'greater', than: 0 },
  { kind: 'jump', to: 'wait', when: 'always', than: 0 },
];

interface Machine {
  /** The ELF header's `e_machine`. */
  elfMachine: number;
  calls: Readonly<Record<SystemCall, number>>;
  call(number: number, values: readonly number[]): number[];
  /** `distance` in bytes, from the beginning of this jump. Its length does not depend on it. */
  jump(when: Extract<Operation, { kind: 'jump' }>['when'], than: number, distance: number): number[];
}

/** Compares eax, which holds a call's result, and jumps by 32 bits; arguments go to edi, esi, edx and r10d. */
const amd64: Machine = {
  elfMachine: 62,
  calls: { rt_sigprocmask: 14, rt_sigtimedwait: 128, wait4: 61, exit: 60 },
  call(number, values) {
    const registers = [[0xbf], [0xbe], [0xba], [0x41, 0xba]];
    const loads = values.flatMap((value, index) => [...(registers[index] ?? []), ...littleEndian(value, 4)]);
    return [0xb8, ...littleEndian(number, 4), ...loads, 0x0f, 0x05];
  },
  jump(when, than, distance) {
    const conditions = { equal: [0x0f, 0x84], less: [0x0f, 0x8c], greater: [0x0f, 0x8f], always: [0x90, 0xe9] };
    const compare = [0x83, 0xf8, than];
    // Counted from the end of the instruction.
    const length = compare.length + 2 + 4;
    return [...compare, ...conditions[when], ...littleEndian(distance - length, 4)];
  },
};

/** Instructions are words; a call's number goes to w8, its arguments to w0 and on, its result comes in w0. */
const arm64: Machine = {
  elfMachine: 183,
  calls: { rt_sigprocmask: 135, rt_sigtimedwait: 137, wait4: 260, exit: 93 },
  call(number, values) {
    const load = (register: number, value: number): number[] => [
      // movz and movk, 16 bits each.
      ...word(0x52800000 + (value & 0xffff) * 32 + register),
      ...word(0x72a00000 + ((value >>> 16) & 0xffff) * 32 + register),
    ];
    return [...values.flatMap((value, index) => load(index, value)), ...load(8, number), ...word(0xd4000001)];
  },
  jump(when, than, distance) {
    const conditions = { equal: 0x0, less: 0xb, greater: 0xc, always: 0xe };
    // Counted from the branch itself, in words.
    const words = (distance - 4) / 4;
    return [...word(0x7100001f + than * 1024), ...word(0x54000000 + (words & 0x7ffff) * 32 + conditions[when])];
  },
};

const machines: Readonly<Record<PauseArchitecture, Machine>> = { amd64, arm64 };

/** Everything is in one segment: both headers, the code, the set of signals. */
const loadAddress = 0x400000;
const elfHeaderBytes = 64;
const programHeaderBytes = 56;
const codeOffset = elfHeaderBytes + programHeaderBytes;
/** The largest page of either architecture. */
const alignment = 0x10000;

export function pauseProgram(architecture: PauseArchitecture): Buffer {
  const machine = machines[architecture];
  // The first pass only measures; what it fills in has the length of the real thing.
  const measured = assemble(machine, { labels: new Map(), signalsAddress: 0 });
  const signalsOffset = Math.ceil((codeOffset + measured.code.length) / signalSetBytes) * signalSetBytes;
  const { code } = assemble(machine, { labels: measured.labels, signalsAddress: loadAddress + signalsOffset });
  const file = Buffer.alloc(signalsOffset + signalSetBytes);
  writeHeaders(file, machine.elfMachine);
  file.set(code, codeOffset);
  file.writeUInt32LE(
    Object.values(signals).reduce((set, signal) => set + 2 ** (signal - 1), 0),
    signalsOffset,
  );
  return file;
}

interface Places {
  /** Offsets in the code. */
  labels: ReadonlyMap<string, number>;
  signalsAddress: number;
}

function assemble(machine: Machine, places: Places): { code: number[]; labels: Map<string, number> } {
  const code: number[] = [];
  const labels = new Map<string, number>();
  for (const operation of program) {
    if (operation.kind === 'label') labels.set(operation.name, code.length);
    else if (operation.kind === 'call') {
      const values = operation.arguments.map((value) => (value === 'signals' ? places.signalsAddress : value));
      code.push(...machine.call(machine.calls[operation.name], values));
    } else {
      const distance = (places.labels.get(operation.to) ?? 0) - code.length;
      code.push(...machine.jump(operation.when, operation.than, distance));
    }
  }
  return { code, labels };
}

/** ELF, 64 bits, little-endian, System V, executable, one loadable segment. */
function writeHeaders(file: Buffer, elfMachine: number): void {
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1], 0);
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(elfMachine, 18);
  file.writeUInt32LE(1, 20);
  file.writeUInt32LE(loadAddress + codeOffset, 24);
  file.writeUInt32LE(elfHeaderBytes, 32);
  file.writeUInt16LE(elfHeaderBytes, 52);
  file.writeUInt16LE(programHeaderBytes, 54);
  file.writeUInt16LE(1, 56);
  const segment = elfHeaderBytes;
  const loadable = 1;
  const readAndExecute = 5;
  file.writeUInt32LE(loadable, segment);
  file.writeUInt32LE(readAndExecute, segment + 4);
  file.writeUInt32LE(loadAddress, segment + 16);
  file.writeUInt32LE(loadAddress, segment + 24);
  file.writeUInt32LE(file.length, segment + 32);
  file.writeUInt32LE(file.length, segment + 40);
  file.writeUInt32LE(alignment, segment + 48);
}

function word(value: number): number[] {
  return littleEndian(value, 4);
}

/** Negative numbers in two's complement. */
function littleEndian(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, index) => Math.floor(value / 2 ** (8 * index)) & 0xff);
}
