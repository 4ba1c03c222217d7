/**
 * Whether this machine can take more: looks at its disks and memory every ten seconds and keeps what pressure.ts concludes. A look that fails says
 * nothing; a changed conclusion is logged.
 */
import type { Clock, Timer } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import type { ContainerEngine } from '../engine/container-engine.ts';
import type { MachineLooks } from './machine-looks.ts';
import {
  diskVerdict,
  initialCheck,
  memoryVerdict,
  nextCheck,
  pressureTypes,
  type Check,
  type MemoryLimits,
  type PressureType,
  type Verdict,
} from './pressure.ts';
import type { HealthDetail } from './agent-health.ts';

export interface HealthLimits {
  /** Of the disk with the engine's images and containers. */
  readonly minimumDiskBytes: number;
  /** Of the disk with the agent's journal. */
  readonly minimumStateBytes: number;
  readonly memory: MemoryLimits;
}

export interface MachineHealthOptions {
  readonly engine: Pick<ContainerEngine, 'describe'>;
  /** The agent's own folder. */
  readonly dataFolder: string;
  readonly looks: MachineLooks;
  readonly limits: HealthLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface MachineHealth {
  start(): void;
  stop(): Promise<void>;
  details(): HealthDetail[];
}

const lookEveryMs = 10_000;

export function createMachineHealth(options: MachineHealthOptions): MachineHealth {
  const { engine, dataFolder, looks, limits, clock, logger } = options;
  const checks = new Map<PressureType, Check>(pressureTypes.map((type) => [type, initialCheck]));
  const ending = new AbortController();
  const { signal } = ending;
  let engineFolder: string | undefined;
  let timer: Timer | undefined;
  let looking: Promise<void> = Promise.resolve();

  const verdicts: Readonly<Record<PressureType, () => Promise<Verdict>>> = {
    async ENGINE_DISK_PRESSURE() {
      engineFolder ??= (await engine.describe({ signal })).rootDirectory;
      const room = await looks.disk(engineFolder);
      return room === undefined
        ? { level: 'unknown' }
        : diskVerdict(room, limits.minimumDiskBytes, "the engine's disk");
    },
    async AGENT_DISK_PRESSURE() {
      const room = await looks.disk(dataFolder);
      return room === undefined
        ? { level: 'unknown' }
        : diskVerdict(room, limits.minimumStateBytes, "the agent's disk");
    },
    async MEMORY_PRESSURE() {
      const seen = looks.memory();
      return seen === undefined ? { level: 'unknown' } : memoryVerdict(seen.room, seen.stall, limits.memory);
    },
  };

  async function look(type: PressureType): Promise<void> {
    const verdict = await verdicts[type]().catch((error: unknown): Verdict => {
      if (!signal.aborted) logger.debug({ error, check: type }, 'a check of the machine could not be made');
      return { level: 'unknown' };
    });
    const before = checks.get(type) ?? initialCheck;
    const after = nextCheck(before, verdict);
    checks.set(type, after);
    if (after.status === before.status) return;
    if (after.status === 'IMPAIRED')
      logger.error({ check: type, reason: after.reason }, 'this machine takes no new tasks');
    else if (before.status === 'IMPAIRED') logger.info({ check: type }, 'a check of the machine is good again');
  }

  function schedule(ms: number): void {
    timer = clock.after(ms, () => {
      looking = Promise.all(pressureTypes.map(look)).then(() => void (signal.aborted || schedule(lookEveryMs)));
    });
  }

  return {
    start: () => schedule(0),
    async stop() {
      ending.abort(new Error('the agent stops'));
      timer?.cancel();
      await looking;
    },
    details: () =>
      [...checks].map(([type, { status, reason }]) => ({ type, status, ...(reason !== undefined && { reason }) })),
  };
}
