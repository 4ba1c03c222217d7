/** This side's stdin, stdout, stderr and terminal, as bytes. */
import type { ExecTerminal } from '#protocol/exec/messages.ts';

export interface LocalStreams {
  /** What is typed or piped in, to its end. May be read once. */
  readonly input: AsyncIterable<Uint8Array>;
  /** Resolves when it is taken, or lost with its reader. */
  write(stream: 'stdout' | 'stderr', data: Uint8Array): Promise<void>;
  /** Whether stdin is a terminal. */
  readonly isTerminal: boolean;
  size(): Pick<ExecTerminal, 'columns' | 'rows'>;
  /** Calls back when the terminal has another size, until the returned function is called. */
  onResize(changed: () => void): () => void;
  /** From now on every key is a byte of the input, Ctrl-C too, until the returned function is called or the process ends. */
  takeKeys(): () => void;
}

/** Of a terminal that nobody gave a size. */
const ordinarySize = { columns: 80, rows: 24 };

export function processStreams(): LocalStreams {
  const { stdin, stdout, stderr } = process;
  return {
    input: stdin,
    write: (stream, data) =>
      new Promise((resolve) => void (stream === 'stdout' ? stdout : stderr).write(data, () => resolve())),
    isTerminal: stdin.isTTY === true,
    size() {
      const { columns, rows } = stdout.isTTY ? stdout : stderr;
      return columns > 0 && rows > 0 ? { columns, rows } : ordinarySize;
    },
    onResize(changed) {
      process.on('SIGWINCH', changed);
      return () => void process.off('SIGWINCH', changed);
    },
    takeKeys() {
      const restore = (): void => {
        process.off('exit', restore);
        stdin.setRawMode(false);
      };
      process.once('exit', restore);
      stdin.setRawMode(true);
      return restore;
    },
  };
}
