/** The streams a command writes to. The only place of the command line that touches standard output and error. */
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

export function processTerminal(options: { isColorAllowed: boolean }): Terminal {
  const isInteractive = process.stderr.isTTY === true;
  return {
    write: (text) => void process.stdout.write(`${text}\n`),
    note: (text) => void process.stderr.write(text),
    isInteractive,
    get columns() {
      return process.stderr.columns ?? 80;
    },
    style: (format, text) =>
      isInteractive && options.isColorAllowed ? styleText(format, text, { validateStream: false }) : text,
  };
}
