/**
 * The harm, seeded. Each seed enables its own subset of the faults at its own pace, so that rare combinations get time to themselves. Whatever is
 * broken here is mended again by the world once the turmoil is over.
 */
import type { EngineCall } from '#test/support/fake-engine.ts';
import type { SimulatedControl } from '#test/support/simulated-control.ts';
import type { SimulatedHost } from '#test/support/simulated-host.ts';
import type { SimulatedNetwork } from '#test/support/simulated-network.ts';
import type { SimulatedDatabase } from '#test/support/simulated-store.ts';
import type { Clock } from '#lib/clock.ts';
import { int, pick, shuffle, type Random } from '#lib/random.ts';
import { weighted } from './workload.ts';

export interface FaultTargets {
  readonly clock: Clock;
  readonly random: Random;
  readonly control: SimulatedControl;
  readonly database: SimulatedDatabase;
  readonly network: SimulatedNetwork;
  hosts(): readonly SimulatedHost[];
  tell(what: string): void;
  /** The journal of a host that has no agent right now is lost. */
  loseJournal(host: SimulatedHost): void;
}

type Fault = (targets: FaultTargets) => void;

const second = 1000;
const minute = 60 * second;

const faults = {
  agentCrash: [killAgent, 4],
  agentCrashAtWrite: [killAgentAtWrite, 4],
  agentUpgrade: [upgradeAgent, 2],
  journalLoss: [loseJournal, 1],
  controlCrash: [killControl, 2],
  controlCrashAtCommit: [killControlAtCommit, 4],
  controlUpgrade: [upgradeControl, 1],
  cut: [cutShort, 4],
  longCut: [cutLong, 1],
  flapping: [flap, 1],
  stall: [stall, 3],
  engineHang: [hangEngine, 1],
  engineRestart: [restartEngine, 2],
  engineError: [failCalls, 3],
  outsider: [meddle, 3],
  reboot: [reboot, 1],
  clockStep: [stepClock, 1],
} as const satisfies Record<string, readonly [Fault, number]>;

export type FaultName = keyof typeof faults;

export const faultNames: readonly FaultName[] = Object.keys(faults).filter((name): name is FaultName => name in faults);

/** The faults of one seed, and the longest pause between two of them. */
export function chooseFaults(random: Random): { names: FaultName[]; paceMs: number } {
  const names = shuffle(random, faultNames).slice(0, int(random, 2, faultNames.length));
  return { names, paceMs: pick(random, [20 * second, minute, 3 * minute]) };
}

export function strike(targets: FaultTargets, names: readonly FaultName[]): void {
  weighted(
    targets.random,
    names.map((name) => faults[name]),
  )(targets);
}

function someHost({ random, hosts }: FaultTargets): SimulatedHost {
  return pick(random, hosts());
}

function killAgent(targets: FaultTargets): void {
  const host = someHost(targets);
  targets.tell(`kill -9 of the agent on ${host.name}`);
  host.kill();
}

function killAgentAtWrite(targets: FaultTargets): void {
  const host = someHost(targets);
  const moment = pick(targets.random, ['before', 'after'] as const);
  const nth = int(targets.random, 1, 8);
  targets.tell(`the agent on ${host.name} will die right ${moment} its write number ${nth} from now`);
  host.planCrashInJournal(moment, nth);
}

function upgradeAgent(targets: FaultTargets): void {
  const host = someHost(targets);
  targets.tell(`the agent on ${host.name} is stopped in order`);
  void host.stopInOrder();
}

function loseJournal(targets: FaultTargets): void {
  const host = someHost(targets);
  const how = pick(targets.random, ['gone', 'damaged'] as const);
  targets.tell(`kill -9 of the agent on ${host.name}; its journal is ${how}`);
  host.kill();
  targets.loseJournal(host);
}

function killControl({ control, tell }: FaultTargets): void {
  tell('kill -9 of control');
  control.kill();
}

function killControlAtCommit({ random, database, tell }: FaultTargets): void {
  const moment = pick(random, ['before', 'after'] as const);
  const nth = int(random, 1, 15);
  tell(`control will die right ${moment} its commit number ${nth} from now`);
  database.planCrash(moment, nth);
}

function upgradeControl({ control, tell }: FaultTargets): void {
  tell('control is stopped in order');
  void control.stopInOrder();
}

function cutFor(targets: FaultTargets, ms: number): void {
  const host = someHost(targets);
  const kind = pick(targets.random, ['noticed', 'silent', 'silent', 'toControl', 'toAgent'] as const);
  targets.tell(`the link to ${host.name} is cut for ${Math.round(ms / second)} s (${kind})`);
  targets.network.cut(host.name, kind, ms);
}

function cutShort(targets: FaultTargets): void {
  cutFor(targets, int(targets.random, second, 2 * minute));
}

/** Often longer than it takes to be declared lost. */
function cutLong(targets: FaultTargets): void {
  cutFor(targets, int(targets.random, 4 * minute, 10 * minute));
}

function flap(targets: FaultTargets): void {
  const host = someHost(targets);
  const times = int(targets.random, 5, 30);
  targets.tell(`the link to ${host.name} flaps ${times} times`);
  for (let n = 0; n < times; n++) targets.clock.after(n * 3 * second, () => targets.network.reset(host.name));
}

function stall(targets: FaultTargets): void {
  const host = someHost(targets);
  const ms = int(targets.random, 2 * second, 45 * second);
  targets.tell(`the link to ${host.name} stalls for ${Math.round(ms / second)} s`);
  targets.network.stall(host.name, ms);
}

function hangEngine(targets: FaultTargets): void {
  const host = someHost(targets);
  const ms = int(targets.random, 10 * second, 4 * minute);
  targets.tell(`the engine of ${host.name} hangs for ${Math.round(ms / second)} s`);
  host.engineHangs = true;
  targets.clock.after(ms, () => {
    host.engineHangs = false;
  });
}

function restartEngine(targets: FaultTargets): void {
  const host = someHost(targets);
  const liveRestore = int(targets.random, 0, 1) === 1;
  const ms = int(targets.random, 500, 2 * minute);
  targets.tell(`the engine of ${host.name} is down for ${Math.round(ms / second)} s, live-restore ${liveRestore}`);
  host.engine.goDown();
  targets.clock.after(ms, () => host.engine.comeBack({ liveRestore }));
}

function failCalls(targets: FaultTargets): void {
  const host = someHost(targets);
  const { random } = targets;
  const call = pick<EngineCall>(random, ['create', 'start', 'stop', 'inspect', 'pull', 'remove', 'list']);
  const kind = pick(random, ['unreachable', 'internal', 'timeout', 'hang'] as const);
  const times = int(random, 1, 3);
  const afterEffect = int(random, 0, 1) === 1;
  targets.tell(`the engine of ${host.name} fails ${times} ${call} (${kind}${afterEffect ? ' after the effect' : ''})`);
  host.engine.failNext(call, { kind, times, afterEffect });
}

/** Somebody with a shell on the host. */
function meddle(targets: FaultTargets): void {
  const host = someHost(targets);
  const running = host.engine.containers().filter(({ state }) => state === 'running');
  if (running.length === 0) return;
  const { id, name } = pick(targets.random, running);
  if (int(targets.random, 0, 1) === 1) {
    targets.tell(`somebody kills ${name} on ${host.name}`);
    host.engine.exit(id, 137);
  } else {
    targets.tell(`somebody removes ${name} on ${host.name}`);
    void host.engine.remove(id).catch(() => undefined);
  }
}

/** The agent dies, the engine starts without its containers. */
function reboot(targets: FaultTargets): void {
  const { clock, random, hosts } = targets;
  const everywhere = int(random, 1, 6) === 1;
  const hit = everywhere ? hosts() : [someHost(targets)];
  targets.tell(`power cut on ${hit.map(({ name }) => name).join(', ')}`);
  if (everywhere) targets.control.kill();
  for (const host of hit) {
    host.engine.goDown();
    host.kill();
    clock.after(int(random, 10 * second, 90 * second), () => host.engine.comeBack({ liveRestore: false }));
  }
}

function stepClock(targets: FaultTargets): void {
  const { random, control, hosts, tell } = targets;
  const seconds = pick(random, [-10_800, -3600, -61, 61, 3600, 10_800]);
  const target = int(random, 0, 2) === 0 ? control : pick(random, hosts());
  tell(`the clock of ${'name' in target ? target.name : 'control'} steps by ${seconds} s`);
  target.wall.offsetMs += seconds * second;
}
