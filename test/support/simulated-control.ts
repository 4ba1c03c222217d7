/** The control service of the simulation: the real store, sessions, reconciler and dispatcher, without HTTP, in a process that can be killed. */
import { createDispatcher, type ApiAnswer, type Dispatcher } from '#control/api/dispatch.ts';
import { ensureDefaultCluster } from '#control/api/clusters.ts';
import { createReconciler, type Reconciler, type ReconcilerConfig } from '#control/reconciler/reconciler.ts';
import { createSessions, type Sessions } from '#control/sessions/sessions.ts';
import type { Store } from '#control/store/store.ts';
import type { Clock } from '#lib/clock.ts';
import type { Random } from '#lib/random.ts';
import { defaultRealm } from '#model/arn.ts';
import { loggerOfErrors } from './logger-of-errors.ts';
import type { SimulatedDatabase } from './simulated-store.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedProcess, type WallClock } from './simulated-process.ts';

export interface SimulatedControlOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly database: SimulatedDatabase;
  readonly network: SimulatedNetwork;
  readonly config: ReconcilerConfig;
  readonly heartbeatIntervalMs: number;
  /** Control logs an error. */
  onError(fields: object, message: string): void;
  /** What a sabotaged control works with instead. */
  readonly wrapStore?: ((store: Store, process: SimulatedProcess) => Store) | undefined;
  readonly wrapDispatcher?: ((dispatcher: Dispatcher) => Dispatcher) | undefined;
}

/** `lost`: the connection broke; whether the request was carried out is unknown. */
export type CallOutcome =
  | { readonly kind: 'answered'; readonly answer: ApiAnswer }
  | { readonly kind: 'refused' | 'lost' };

const admin = { arn: 'arn:aws:iam::000000000000:user/admin', accessKeyId: 'simulated' };

export class SimulatedControl {
  readonly wall: WallClock = { offsetMs: 0 };
  starts = 0;
  readonly #options: SimulatedControlOptions;
  #process: SimulatedProcess | undefined;
  #running:
    | { readonly sessions: Sessions; readonly reconciler: Reconciler; readonly dispatcher: Dispatcher }
    | undefined;

  constructor(options: SimulatedControlOptions) {
    this.#options = options;
  }

  get process(): SimulatedProcess | undefined {
    return this.#process?.alive === true ? this.#process : undefined;
  }

  /** Resolves when it serves; never when it is killed before. */
  async start(): Promise<void> {
    if (this.process !== undefined) return;
    this.starts += 1;
    const { clock: trueTime, random: seeds, database, network, config, heartbeatIntervalMs } = this.#options;
    const seed = Math.floor(seeds.next() * 2 ** 32);
    const process = new SimulatedProcess({ name: `control#${this.starts}`, clock: trueTime, wall: this.wall, seed });
    this.#process = process;
    this.#running = undefined;
    const door = database.open(process);
    const store = this.#options.wrapStore?.(door, process) ?? door;
    const { clock, ids, random } = process;
    const logger = loggerOfErrors((fields, message) => void (process.alive && this.#options.onError(fields, message)));
    const shared = { store, clock, ids, random, realm: defaultRealm, logger };
    await ensureDefaultCluster(shared, admin.arn);
    const sessions = createSessions({ ...shared, heartbeatIntervalMs });
    await sessions.start();
    const reconciler = createReconciler({ ...shared, config });
    await reconciler.start();
    const dispatcher = createDispatcher({ ...shared, execs: sessions.execs, release: () => undefined });
    this.#running = { sessions, reconciler, dispatcher: this.#options.wrapDispatcher?.(dispatcher) ?? dispatcher };
    network.listen(process, sessions.accept);
  }

  kill(): void {
    this.#process?.kill();
  }

  /** The order of an upgrade: sessions end with a word, the reconciler finishes, then the process ends. */
  async stopInOrder(): Promise<void> {
    const process = this.process;
    const running = this.#running;
    if (process === undefined || running === undefined) return;
    await running.sessions.stop();
    await running.reconciler.stop();
    process.kill();
  }

  async call(operation: string, body: object, requestId: string): Promise<CallOutcome> {
    const process = this.process;
    const running = this.#running;
    if (process === undefined || running === undefined) return { kind: 'refused' };
    const died = new Promise<CallOutcome>((resolve) => process.onKill(() => resolve({ kind: 'lost' })));
    // While it stands still the request waits in the kernel's queue.
    const read = process.paused ? process.hears(() => Promise.resolve()) : Promise.resolve();
    const answered = read
      .then(() =>
        running.dispatcher.dispatch({ operation, body, principal: admin, origin: 'http://control', requestId }),
      )
      .then((answer): CallOutcome => (process.alive ? { kind: 'answered', answer } : { kind: 'lost' }));
    return Promise.race([answered, died]);
  }
}
