/** One container of the fake engine: plays its behaviour on the clock. */
import { EngineError, type EngineEvent, type LogEntry } from '#agent/engine/container-engine.ts';
import type { ExecSpec } from '#agent/engine/engine-exec.ts';
import type { ContainerObservation, ContainerSpec } from '#agent/tasks/container-spec.ts';
import type { Clock, Timer } from '#lib/clock.ts';
import type { HealthStatus } from '#model/task.ts';
import { Broadcast } from './broadcast.ts';
import type { Behaviour } from './container-programs.ts';
import { FakeExec } from './fake-exec.ts';

export interface FakeContainerOptions {
  id: string;
  spec: ContainerSpec;
  behaviour: Behaviour;
  clock: Clock;
  imageId: string;
  /** Throws an EngineError `port-conflict`. */
  bindPorts(): ContainerObservation['networkBindings'];
  announce(event: EngineEvent): void;
}

const killedExitCode = 137;
const terminatedExitCode = 143;
const failedStartExitCode = 127;
const firstExecPid = 1000;

export class FakeContainer {
  readonly id: string;
  readonly spec: ContainerSpec;
  readonly output = new Broadcast<LogEntry>();
  readonly written: LogEntry[] = [];
  bindings: ContainerObservation['networkBindings'] = [];
  readonly #options: FakeContainerOptions;
  readonly #createdAt: number;
  #state: 'created' | 'running' | 'exited' = 'created';
  #exitCode: number | undefined;
  #error: string | undefined;
  #oomKilled = false;
  #startedAt: number | undefined;
  #finishedAt: number | undefined;
  #health: HealthStatus = 'UNKNOWN';
  #timers: Timer[] = [];
  #execs: FakeExec[] = [];
  #ended = Promise.withResolvers<void>();

  constructor(options: FakeContainerOptions) {
    this.#options = options;
    this.id = options.id;
    this.spec = options.spec;
    this.#createdAt = options.clock.now();
  }

  get running(): boolean {
    return this.#state === 'running';
  }

  /** Commands that run in it. */
  get execs(): FakeExec[] {
    return this.#execs.filter(({ running }) => running);
  }

  exec(spec: ExecSpec): FakeExec {
    if (!this.running) throw new EngineError('in-use', `Container ${this.id} is not running`);
    const exec = new FakeExec(spec, firstExecPid + this.#execs.length);
    this.#execs.push(exec);
    return exec;
  }

  get imageId(): string {
    return this.#options.imageId;
  }

  start(): void {
    if (this.running) return;
    const { behaviour } = this.#options;
    try {
      if (behaviour.failsToStart !== undefined) throw new EngineError('invalid', behaviour.failsToStart);
      this.bindings = this.#options.bindPorts();
    } catch (error) {
      this.#error = error instanceof Error ? error.message : String(error);
      this.#exitCode = failedStartExitCode;
      throw error;
    }
    this.#state = 'running';
    this.#startedAt = this.#options.clock.now();
    this.#finishedAt = undefined;
    this.#error = undefined;
    this.#oomKilled = false;
    this.#ended = Promise.withResolvers<void>();
    this.tell('start');
    for (const { stream, text } of behaviour.output ?? []) this.#write(stream, text);
    if (behaviour.exitsAfterMs !== undefined) this.#later(behaviour.exitsAfterMs, () => this.#endByItself());
    this.#startHealthChecks();
  }

  /** Resolves when it has ended. */
  async stop(timeoutMs: number): Promise<void> {
    const { promise } = this.#ended;
    this.#later(timeoutMs, () => this.signal('SIGKILL'));
    this.signal('SIGTERM');
    await promise;
    this.tell('stop');
  }

  signal(name: string): void {
    if (!this.running) return;
    this.tell('kill', { detail: name });
    if (name === 'SIGKILL' || name === 'KILL' || name === '9') this.end(killedExitCode);
    if (name !== 'SIGTERM' && name !== 'TERM' && name !== '15') return;
    const { onTerm = terminatedExitCode, stopsAfterMs } = this.#options.behaviour;
    if (onTerm === 'ignored') return;
    if (stopsAfterMs === undefined) this.end(onTerm);
    else this.#later(stopsAfterMs, () => this.end(onTerm));
  }

  /** Harmless when it does not run. */
  end(exitCode: number): void {
    if (!this.running) return;
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    for (const exec of this.#execs) exec.end(killedExitCode);
    this.#execs = [];
    this.#state = 'exited';
    this.#exitCode = exitCode;
    this.#finishedAt = this.#options.clock.now();
    this.bindings = [];
    this.tell('die', { exitCode });
    this.output.end();
    this.#ended.resolve();
  }

  setHealth(health: 'HEALTHY' | 'UNHEALTHY'): void {
    if (!this.running || this.spec.healthCheck === 'none') return;
    this.#health = health;
    this.tell('health', { detail: health.toLowerCase() });
  }

  tell(action: EngineEvent['action'], more: Pick<EngineEvent, 'exitCode' | 'detail'> = {}): void {
    const { id: containerId, spec } = this;
    const at = this.#options.clock.now();
    this.#options.announce({ action, containerId, containerName: spec.name, labels: spec.labels, at, ...more });
  }

  observe(): ContainerObservation {
    return {
      id: this.id,
      name: this.spec.name,
      labels: this.spec.labels,
      state: this.#state,
      oomKilled: this.#oomKilled,
      createdAt: this.#createdAt,
      health: this.#health,
      imageId: this.#options.imageId,
      networkBindings: this.bindings,
      ...(!this.running && this.#exitCode !== undefined && { exitCode: this.#exitCode }),
      ...(this.#error !== undefined && { error: this.#error }),
      ...(this.#startedAt !== undefined && { startedAt: this.#startedAt }),
      ...(this.#finishedAt !== undefined && { finishedAt: this.#finishedAt }),
    };
  }

  #endByItself(): void {
    const { exitCode = 0, outOfMemory = false } = this.#options.behaviour;
    if (outOfMemory) {
      this.#oomKilled = true;
      this.tell('oom');
    }
    this.end(exitCode);
  }

  #startHealthChecks(): void {
    const check = this.spec.healthCheck;
    this.#health = 'UNKNOWN';
    if (check === 'none') return;
    const { healthyAfterMs = check.intervalMs, unhealthyAfterMs } = this.#options.behaviour;
    if (unhealthyAfterMs === undefined || healthyAfterMs < unhealthyAfterMs) {
      this.#later(healthyAfterMs, () => this.setHealth('HEALTHY'));
    }
    if (unhealthyAfterMs !== undefined) this.#later(unhealthyAfterMs, () => this.setHealth('UNHEALTHY'));
  }

  #write(stream: LogEntry['stream'], text: string): void {
    const entry = { stream, at: this.#options.clock.now(), text };
    this.written.push(entry);
    this.output.send(entry);
  }

  #later(ms: number, run: () => void): void {
    this.#timers.push(this.#options.clock.after(ms, run));
  }
}
