/**
 * Berth beside the bare engine and Docker Swarm, in one run on one engine. Every figure of ours is given as a ratio against the reference
 * measured in the same run, since absolute times say more about the machine.
 */
import { systemRandom } from '#lib/random.ts';
import { createSemaphore } from '#lib/semaphore.ts';
import type { OwnEngine } from '#test/support/own-engine.ts';
import { createCell, freePort } from '#test/support/processes.ts';
import { testImage } from '#test/support/test-images.ts';
import { bareEngine, type BareEngine } from './bare-engine.ts';
import { benchBerth } from './berth.ts';
import { measureIdle, type Idle } from './process-cost.ts';
import { figuresOf, type Figures } from './statistics.ts';
import { startSwarm } from './swarm.ts';
import { note, type Row } from './table.ts';

const command = ['sleep', '3600'];
const many = 20;
const atOnce = 4;
const targets = { runTask: 1.15, createService: 1.1, replacementMs: 500, residentMiB: 200, cpuPercent: 1 };

export interface Comparison {
  bareStart: Figures;
  runTask: Figures;
  bareMany: Figures;
  createService: Figures;
  replacement: Figures;
  idle: Idle;
  swarmMany: Figures;
  swarmReplacement: Figures;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

function uniqueName(): string {
  return `bench-${Math.trunc(systemRandom.next() * 2 ** 48).toString(16)}`;
}

async function bareTwenty(bare: BareEngine): Promise<number> {
  const semaphore = createSemaphore(atOnce);
  const took = await timed(() =>
    Promise.all(Array.from({ length: many }, () => semaphore.run(() => bare.run(uniqueName())))),
  );
  await bare.removeAll();
  return took;
}

/** Bare engine and Berth turn by turn, so that a drift of the machine's speed meets both. */
async function berthBesideBare(
  engine: OwnEngine,
  folder: string,
  runs: { single: number; many: number; idleSeconds: number },
) {
  const bare = bareEngine(engine.socket, testImage, command);
  const cell = createCell({
    folder,
    port: await freePort(),
    dockerHost: engine.host,
    control: { BERTH_LOG_LEVEL: 'warn' },
    agent: { ECS_LOGLEVEL: 'warn' },
  });
  const control = cell.startControl();
  await cell.untilReady();
  const agent = cell.startAgent();
  try {
    const berth = await benchBerth(cell, testImage, command);
    await bare.run(uniqueName());
    await berth.runTask();
    const samples = {
      bareStart: [] as number[],
      runTask: [] as number[],
      bareMany: [] as number[],
      createService: [] as number[],
      replacement: [] as number[],
    };
    note(`one at a time, ${runs.single} times each`);
    for (let run = 0; run < runs.single; run += 1) {
      samples.bareStart.push(await timed(() => bare.run(uniqueName())));
      samples.runTask.push(await berth.runTask());
    }
    await bare.removeAll();
    await berth.stopTasks();
    note(`${many} at once, ${runs.many} times each`);
    let idle: Idle = { residentMiB: Number.NaN, cpuPercent: Number.NaN };
    for (let run = 0; run < runs.many; run += 1) {
      samples.bareMany.push(await bareTwenty(bare));
      const service = `bench-${run}`;
      samples.createService.push(await berth.createService(service, many));
      for (let kill = 0; kill < 3; kill += 1)
        samples.replacement.push(await berth.killOne(service, many, (id) => bare.kill(id)));
      if (run === runs.many - 1) {
        note(`idle for ${runs.idleSeconds} s with ${many} tasks running`);
        idle = await measureIdle([control.pid, agent.pid], runs.idleSeconds);
      }
      await berth.deleteService(service);
    }
    return {
      bareStart: figuresOf(samples.bareStart),
      runTask: figuresOf(samples.runTask),
      bareMany: figuresOf(samples.bareMany),
      createService: figuresOf(samples.createService),
      replacement: figuresOf(samples.replacement),
      idle,
    };
  } finally {
    await agent.stop();
    await control.stop();
    bare.close();
  }
}

async function swarmAtTheSame(engine: OwnEngine, runs: number) {
  note('the same with Docker Swarm');
  const swarm = await startSwarm(engine.host, testImage, command);
  try {
    const create: number[] = [];
    const replacement: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      create.push(await swarm.createService(`bench-swarm-${run}`, many));
      replacement.push(await swarm.killOne(`bench-swarm-${run}`, many));
    }
    return { swarmMany: figuresOf(create), swarmReplacement: figuresOf(replacement) };
  } finally {
    await swarm.close();
  }
}

function milliseconds(figures: Figures): string {
  return `${figures.p50.toFixed(0)} ms (${figures.minimum.toFixed(0)}..${figures.maximum.toFixed(0)}, n=${figures.count})`;
}

export function comparisonRows(results: Comparison): Row[] {
  const runRatio = results.runTask.p50 / results.bareStart.p50;
  const createRatio = results.createService.p50 / results.bareMany.p50;
  const surplus = results.replacement.p50 - results.bareStart.p50;
  return [
    {
      what: 'RunTask to RUNNING',
      ours: milliseconds(results.runTask),
      reference: `bare create+start ${milliseconds(results.bareStart)}`,
      value: runRatio,
      target: targets.runTask,
      unit: 'x',
    },
    {
      what: `CreateService of ${many}`,
      ours: milliseconds(results.createService),
      reference: `bare, ${atOnce} at once ${milliseconds(results.bareMany)}`,
      value: createRatio,
      target: targets.createService,
      unit: 'x',
    },
    {
      what: 'kill to replacement',
      ours: milliseconds(results.replacement),
      reference: 'bare start, plus',
      value: surplus,
      target: targets.replacementMs,
      unit: ' ms',
    },
    {
      what: 'idle memory',
      ours: `${results.idle.residentMiB.toFixed(0)} MiB`,
      reference: 'control + agent',
      value: results.idle.residentMiB,
      target: targets.residentMiB,
      unit: ' MiB',
    },
    {
      what: 'idle processor',
      ours: `${results.idle.cpuPercent.toFixed(2)} %`,
      reference: 'of one core',
      value: results.idle.cpuPercent,
      target: targets.cpuPercent,
      unit: ' %',
    },
  ];
}

/** No target is set for these. */
export function swarmLines(results: Comparison): string[] {
  const ratio = (ours: Figures, theirs: Figures): string => `Berth takes ${(ours.p50 / theirs.p50).toFixed(2)} of it`;
  return [
    `${'Swarm, create of'.padEnd(17)} ${String(many).padEnd(4)} ${milliseconds(results.swarmMany).padEnd(34)} ${ratio(results.createService, results.swarmMany)}`,
    `${'Swarm, replacement'.padEnd(22)} ${milliseconds(results.swarmReplacement).padEnd(34)} ${ratio(results.replacement, results.swarmReplacement)}`,
  ];
}

export interface ComparisonEffort {
  single: number;
  many: number;
  idleSeconds: number;
}

export async function compare(engine: OwnEngine, folder: string, effort: ComparisonEffort): Promise<Comparison> {
  const ours = await berthBesideBare(engine, folder, effort);
  return { ...ours, ...(await swarmAtTheSame(engine, effort.many)) };
}
