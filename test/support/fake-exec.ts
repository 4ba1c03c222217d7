/** A command in a container of the fake engine: plays its behaviour. */
import type { ExecChunk, ExecProcess, ExecSpec, ExecStatus, TerminalSize } from '#agent/engine/engine-exec.ts';
import { Broadcast } from './broadcast.ts';
import { execBehaviourOf, type ExecBehaviour } from './exec-programs.ts';

export class FakeExec implements ExecProcess {
  readonly pid: number;
  readonly output: AsyncIterable<ExecChunk>;
  readonly #behaviour: ExecBehaviour;
  readonly #terminal: boolean;
  readonly #sent = new Broadcast<ExecChunk>();
  readonly #closed = new AbortController();
  #exitCode: number | undefined;

  constructor(spec: ExecSpec, pid: number) {
    this.pid = pid;
    this.#behaviour = execBehaviourOf(spec.command);
    this.#terminal = spec.terminal !== undefined;
    this.output = this.#sent.subscribe({ first: [], wanted: () => true, signal: this.#closed.signal });
    for (const { stream, text } of this.#behaviour.output?.(spec) ?? []) this.#say(stream, Buffer.from(text));
    if (this.#behaviour.exitCode !== undefined) this.end(this.#behaviour.exitCode);
    else if (spec.terminal !== undefined) this.#tellSize(spec.terminal);
  }

  get running(): boolean {
    return this.#exitCode === undefined;
  }

  /** By itself, by a signal, or with its container. */
  end(exitCode: number): void {
    if (!this.running) return;
    this.#exitCode = exitCode;
    this.#sent.end();
  }

  write(data: Uint8Array): Promise<void> {
    if (this.running && this.#behaviour.echoes) this.#say('stdout', data);
    return Promise.resolve();
  }

  endInput(): void {
    if (this.#behaviour.echoes) this.end(0);
  }

  resize(size: TerminalSize): Promise<void> {
    if (this.running) this.#tellSize(size);
    return Promise.resolve();
  }

  status(): Promise<ExecStatus> {
    return Promise.resolve(
      this.#exitCode === undefined
        ? { state: 'running', pid: this.pid }
        : { state: 'exited', exitCode: this.#exitCode },
    );
  }

  close(): void {
    this.#closed.abort();
  }

  #tellSize({ columns, rows }: TerminalSize): void {
    if (this.#behaviour.tellsSize) this.#say('stdout', Buffer.from(`${rows} ${columns}\r\n`));
  }

  #say(stream: ExecChunk['stream'], data: Uint8Array): void {
    this.#sent.send({ stream: this.#terminal ? 'stdout' : stream, data });
  }
}
