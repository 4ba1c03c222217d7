/** A terminal that remembers: `results` is what a program would read, `notes` what a person saw, escape sequences included. */
import type { Terminal } from '#cli/output/terminal.ts';

export interface FakeTerminal extends Terminal {
  results: string;
  notes: string;
}

export function fakeTerminal(options: { isInteractive?: boolean; columns?: number } = {}): FakeTerminal {
  const terminal: FakeTerminal = {
    results: '',
    notes: '',
    isInteractive: options.isInteractive ?? false,
    columns: options.columns ?? 80,
    write: (text) => void (terminal.results += `${text}\n`),
    note: (text) => void (terminal.notes += text),
    style: (_, text) => text,
  };
  return terminal;
}
