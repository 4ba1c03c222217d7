/** The streams a command writes to. Nothing else of the command line touches standard output and error, but exec/local-streams.ts for bytes. */
import { styleText } from 'node:util';

export type OutputMode = 'table' | 'json';

export interface Terminal {
  /** Results: what a program would read. */
  write(text: string): void;
  /** Progress, hints and errors: what a person reads. */
  note(text: string): void;
  /** Whether `note` may redraw lines. */
  readonly isInteractive: boolean;
  readonly columns: number;
  style(format: Parameters<typeof styleText>[0], text: string): string;
}

const ordinaryColumns = 80;

export interface ProcessTerminalOptions {
  isColorAllowed: boolean;
  /** Whoever read the output reads no more, as `head` does; what is written from now on is lost. */
  onReaderGone(error: Error): void;
}

export function processTerminal(options: ProcessTerminalOptions): Terminal {
  const isInteractive = process.stderr.isTTY === true;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      options.onReaderGone(error);
    });
  }
  return {
    write: (text) => void process.stdout.write(`${text}\n`),
    note: (text) => void process.stderr.write(text),
    isInteractive,
    get columns() {
      // A pseudo-terminal that nobody gave a size has 0, and what is no terminal has none.
      const { columns } = process.stderr;
      return columns > 0 ? columns : ordinaryColumns;
    },
    style: (format, text) =>
      isInteractive && options.isColorAllowed ? styleText(format, text, { validateStream: false }) : text,
  };
}

/** Resolves when all that was written is out, or lost with its reader: a pipe takes 64 KiB, and what waits behind them dies with the process. */
export async function outputDrained(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((done) => stream.write('', () => done()));
  }
}
