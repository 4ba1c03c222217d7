/**
 * The engine's port for commands in running containers. The same rules as in container-engine.ts hold, and:
 * - the output ends when the command has, or with an EngineError when the engine is lost; an exit code is asked for afterwards.
 * - closing lets go of the streams and ends no process: an engine has no way to end a command that it runs.
 */
import type { CallOptions } from './container-engine.ts';

export interface TerminalSize {
  columns: number;
  rows: number;
}

export interface ExecSpec {
  command: readonly string[];
  /** Name or number; the container's own when absent. */
  user?: string;
  /** On top of the container's, as `NAME=value`. */
  environment: readonly string[];
  /** Whether the command has a stdin. */
  interactive: boolean;
  /** With a terminal, stdout and stderr are one stream. */
  terminal?: TerminalSize;
}

export interface ExecChunk {
  stream: 'stdout' | 'stderr';
  data: Uint8Array;
}

export type ExecStatus =
  /** `pid` as the engine's machine numbers processes; absent before there is one. */
  { state: 'running'; pid?: number } | { state: 'exited'; exitCode: number };

export interface ExecProcess {
  /** May be read once. Nothing is taken from the engine before it is asked for. */
  readonly output: AsyncIterable<ExecChunk>;
  /** Resolves when it is taken; what a command that has ended, or reads no more, is sent is lost. */
  write(data: Uint8Array): Promise<void>;
  /** With a terminal, as if somebody had typed Ctrl-D. */
  endInput(): void;
  /** Harmless when the command has ended. */
  resize(size: TerminalSize, options?: CallOptions): Promise<void>;
  /** Undefined when the engine knows nothing of it any more. */
  status(options?: CallOptions): Promise<ExecStatus | undefined>;
  close(): void;
}

export interface EngineExec {
  /**
   * Starts the command. Fails with `not-found` when there is no such container, `in-use` when it does not run. A program that is not there is no
   * failure of the call: the output says it, and the exit code is 126 or 127.
   */
  exec(idOrName: string, spec: ExecSpec, options?: CallOptions): Promise<ExecProcess>;
  /** Processes of commands that this agent, in this run or an earlier one, started in the container and that still run. */
  execPids(idOrName: string, options?: CallOptions): Promise<number[]>;
}
