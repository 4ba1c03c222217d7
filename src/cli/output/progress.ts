/**
 * Live progress of many moving things. On a terminal a block of lines is redrawn in place below the permanent lines; elsewhere each thing is printed
 * as a plain line whenever its text changes. Invariant: nothing is lost in a log file, and a terminal never shows more lines than it has.
 */
import type { Terminal } from './terminal.ts';

export interface ProgressItem {
  key: string;
  text: string;
}

export interface Progress {
  /** Prints a line that stays. */
  line(text: string): void;
  /** The current state of everything that moves; replaces what was shown before. */
  show(items: readonly ProgressItem[]): void;
  /** Takes the moving block away (`keep`: leaves its last state standing). */
  end(options?: { keep?: boolean }): void;
}

export function createProgress(terminal: Terminal, options: { maximumLines?: number } = {}): Progress {
  return terminal.isInteractive ? redrawing(terminal, options.maximumLines ?? 20) : plain(terminal);
}

function redrawing(terminal: Terminal, maximumLines: number): Progress {
  let drawn: string[] = [];

  function erase(): void {
    if (drawn.length > 0) terminal.note(`\u001B[${drawn.length}A\u001B[0J`);
    drawn = [];
  }

  function draw(lines: string[]): void {
    if (lines.length > 0) terminal.note(`${lines.join('\n')}\n`);
    drawn = lines;
  }

  return {
    line(text) {
      const block = drawn;
      erase();
      terminal.note(`${text}\n`);
      draw(block);
    },
    show(items) {
      const width = Math.max(20, terminal.columns - 1);
      const lines = items
        .slice(0, maximumLines)
        .map((item) => (item.text.length > width ? `${item.text.slice(0, width - 1)}…` : item.text));
      if (items.length > maximumLines) lines.push(`… and ${items.length - maximumLines} more`);
      erase();
      draw(lines);
    },
    end(options) {
      if (options?.keep === true) drawn = [];
      else erase();
    },
  };
}

function plain(terminal: Terminal): Progress {
  const printed = new Map<string, string>();
  return {
    line: (text) => terminal.note(`${text}\n`),
    show(items) {
      for (const item of items) {
        if (printed.get(item.key) === item.text) continue;
        printed.set(item.key, item.text);
        terminal.note(`${item.text}\n`);
      }
    },
    end: () => printed.clear(),
  };
}
