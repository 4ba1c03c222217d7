/**
 * The harm, seeded. Each seed enables its own subset of the faults at its own pace, so that rare combinations get time to themselves. Whatever is
 * broken here is mended again by the world once the turmoil is over.
 */
import type { EngineCall } from '#test/support/fake-engine.ts';
import type { SimulatedControl } from '#test/support/simulated-control.ts';
import type { RegistryTrouble, SimulatedHost, SimulatedRegistry } from '#test/support/simulated-host.ts';
import type { SimulatedNetwork } from '#test/support/simulated-network.ts';
import type { Backup, SimulatedDatabase } from '#test/support/simulated-store.ts';
import type { Clock } from '#lib/clock.ts';
import { int, pick, shuffle, type Random } from '#lib/random.ts';
import type { SavedLedger } from './ledger.ts';
import { isDependent } from './programs.ts';
import { weighted } from './workload.ts';

export interface FaultTargets {
  readonly clock: Clock;
  readonly random: Random;
  readonly control: SimulatedControl;
  readonly database: SimulatedDatabase;
  readonly network: SimulatedNetwork;
  readonly registry: SimulatedRegistry;
  readonly dependency: { gone: boolean };
  hosts(): readonly SimulatedHost[];
  /** `host`: where it happens. */
  tell(what: string, host?: SimulatedHost): void;
  /** The journal of a host that has no agent right now is lost. */
  loseJournal(host: SimulatedHost): void;
  /** Everything has been mended: nothing new may break. */
  isOver(): boolean;
  backUp(): Promise<WorldBackup>;
  restore(backup: WorldBackup): Promise<void>;
}

/** The database at one moment, and what had been promised by then. */
export interface WorldBackup {
  readonly rows: Backup;
  readonly ledger: SavedLedger;
}

type Fault = (targets: FaultTargets) => void;

const second = 1000;
const minute = 60 * second;
/** Long enough for a service to lose its tasks, and for a full pass. */
const absenceMs = 20 * minute;
/** A little more than a day. */
const dayMs = 25 * 60 * minute;

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
  engineSlow: [slowEngine, 1],
  registryTrouble: [troubleRegistry, 2],
  journalDiskFull: [fillDisk, 1],
  databaseDiskFull: [fillDatabaseDisk, 1],
  agentPause: [pauseAgent, 2],
  controlPause: [pauseControl, 1],
  rename: [renameHost, 1],
  restore: [restoreBackup, 1],
  outsider: [meddle, 3],
  reboot: [reboot, 1],
  clockStep: [stepClock, 1],
  dependencyLoss: [loseDependency, 2],
  longAbsence: [leaveForADay, 0.5],
} as const satisfies Record<string, readonly [Fault, number]>;

export type FaultName = keyof typeof faults;

export const faultNames: readonly FaultName[] = Object.keys(faults).filter((name): name is FaultName => name in faults);

/** The faults of one seed, and the longest pause between two of them. */
export function chooseFaults(random: Random): { names: FaultName[]; paceMs: number } {
  const names = shuffle(random, faultNames).slice(0, int(random, 2, faultNames.length));
  return { names, paceMs: pick(random, [minute, 3 * minute, 10 * minute]) };
}

/** One of `names` strikes; the answer is which. */
export function strike(targets: FaultTargets, names: readonly FaultName[]): FaultName {
  const name = weighted(
    targets.random,
    names.map((each) => [each, faults[each][1]] as const),
  );
  faults[name][0](targets);
  return name;
}

function someHost({ random, hosts }: FaultTargets): SimulatedHost {
  return pick(random, hosts());
}

function killAgent(targets: FaultTargets): void {
  const host = someHost(targets);
  targets.tell(`kill -9 of the agent on ${host.name}`, host);
  host.kill();
}

function killAgentAtWrite(targets: FaultTargets): void {
  const host = someHost(targets);
  const moment = pick(targets.random, ['before', 'after'] as const);
  const nth = int(targets.random, 1, 8);
  targets.tell(`the agent on ${host.name} will die right ${moment} its write number ${nth} from now`, host);
  host.planCrashInJournal(moment, nth);
}

function upgradeAgent(targets: FaultTargets): void {
  const host = someHost(targets);
  targets.tell(`the agent on ${host.name} is stopped in order`, host);
  void host.stopInOrder();
}

function loseJournal(targets: FaultTargets): void {
  const host = someHost(targets);
  const how = pick(targets.random, ['gone', 'damaged'] as const);
  targets.tell(`kill -9 of the agent on ${host.name}; its journal is ${how}`, host);
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
  targets.tell(`the link to ${host.name} is cut for ${Math.round(ms / second)} s (${kind})`, host);
  targets.network.cut(host.name, kind, ms);
}

function cutShort(targets: FaultTargets): void {
  cutFor(targets, int(targets.random, second, 2 * minute));
}

/** Longer than most services wait for a silent machine. */
function cutLong(targets: FaultTargets): void {
  cutFor(targets, int(targets.random, 4 * minute, 10 * minute));
}

function flap(targets: FaultTargets): void {
  const host = someHost(targets);
  const times = int(targets.random, 5, 30);
  targets.tell(`the link to ${host.name} flaps ${times} times`, host);
  for (let n = 0; n < times; n++) targets.clock.after(n * 3 * second, () => targets.network.reset(host.name));
}

function stall(targets: FaultTargets): void {
  const host = someHost(targets);
  const ms = int(targets.random, 2 * second, 45 * second);
  targets.tell(`the link to ${host.name} stalls for ${Math.round(ms / second)} s`, host);
  targets.network.stall(host.name, ms);
}

function hangEngine(targets: FaultTargets): void {
  const host = someHost(targets);
  const ms = int(targets.random, 10 * second, 4 * minute);
  targets.tell(`the engine of ${host.name} hangs for ${Math.round(ms / second)} s`, host);
  host.engineHangs = true;
  targets.clock.after(ms, () => {
    host.engineHangs = false;
  });
}

function restartEngine(targets: FaultTargets): void {
  const host = someHost(targets);
  const liveRestore = int(targets.random, 0, 1) === 1;
  const ms = int(targets.random, 500, 2 * minute);
  targets.tell(
    `the engine of ${host.name} is down for ${Math.round(ms / second)} s, live-restore ${liveRestore}`,
    host,
  );
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
  targets.tell(
    `the engine of ${host.name} fails ${times} ${call} (${kind}${afterEffect ? ' after the effect' : ''})`,
    host,
  );
  host.engine.failNext(call, { kind, times, afterEffect });
}

/** Somebody with a shell on the host. */
function meddle(targets: FaultTargets): void {
  const host = someHost(targets);
  const running = host.engine.containers().filter(({ state }) => state === 'running');
  if (running.length === 0) return;
  const { id, name } = pick(targets.random, running);
  if (int(targets.random, 0, 1) === 1) {
    targets.tell(`somebody kills ${name} on ${host.name}`, host);
    host.engine.exit(id, 137);
  } else {
    targets.tell(`somebody removes ${name} on ${host.name}`, host);
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

/** One machine cannot be heard while a day passes everywhere: the others stood still meanwhile, as if suspended. */
function leaveForADay(targets: FaultTargets): void {
  const { clock, control, hosts, tell, isOver } = targets;
  const gone = someHost(targets);
  tell(`the link to ${gone.name} is cut while a day passes`, gone);
  targets.network.cut(gone.name, 'noticed', absenceMs);
  clock.after(absenceMs / 4, () => {
    if (isOver()) return;
    tell('a day has passed');
    for (const { wall } of [control, ...hosts()]) wall.offsetMs += dayMs;
  });
}

function slowEngine(targets: FaultTargets): void {
  const host = someHost(targets);
  const delayMs = pick(targets.random, [2, 5, 20]) * second;
  const ms = int(targets.random, 30 * second, 10 * minute);
  targets.tell(
    `each call of ${host.name}'s engine takes up to ${delayMs / second} s, for ${Math.round(ms / second)} s`,
    host,
  );
  host.engineDelayMs = delayMs;
  targets.clock.after(ms, () => {
    host.engineDelayMs = 0;
  });
}

function troubleRegistry(targets: FaultTargets): void {
  const { random, registry, clock, tell } = targets;
  const trouble = pick<RegistryTrouble>(random, ['image-not-found', 'rate-limited', 'network', 'slow']);
  const ms = int(random, 20 * second, 8 * minute);
  tell(`the registry answers ${trouble} for ${Math.round(ms / second)} s`);
  registry.trouble = trouble;
  clock.after(ms, () => {
    registry.trouble = undefined;
  });
}

/** What runs and cannot do without it ends; what is started crashes at once. */
function loseDependency({ random, dependency, clock, hosts, tell }: FaultTargets): void {
  const ms = int(random, 20 * second, 8 * minute);
  tell(`what dependent containers need is away for ${Math.round(ms / second)} s`);
  dependency.gone = true;
  for (const { engine } of hosts()) {
    for (const { id, state } of engine.containers()) {
      if (state === 'running' && isDependent(engine.specOf(id)?.image ?? '')) engine.exit(id, 1);
    }
  }
  clock.after(ms, () => {
    dependency.gone = false;
  });
}

function fillDisk(targets: FaultTargets): void {
  const host = someHost(targets);
  const ms = int(targets.random, 5 * second, 5 * minute);
  targets.tell(`the disk of ${host.name} is full for ${Math.round(ms / second)} s`, host);
  host.diskFull = true;
  targets.clock.after(ms, () => {
    host.diskFull = false;
  });
}

function fillDatabaseDisk({ random, database, clock, tell }: FaultTargets): void {
  const ms = int(random, 5 * second, 3 * minute);
  tell(`the disk of the database is full for ${Math.round(ms / second)} s`);
  database.diskFull = true;
  clock.after(ms, () => {
    database.diskFull = false;
  });
}

/** As by SIGSTOP: longer than a few heartbeats, sometimes. */
function pauseAgent(targets: FaultTargets): void {
  const host = someHost(targets);
  const ms = int(targets.random, 5 * second, 2 * minute);
  targets.tell(`the agent on ${host.name} stands still for ${Math.round(ms / second)} s`, host);
  host.process?.pause(ms);
}

function pauseControl({ random, control, tell }: FaultTargets): void {
  const ms = int(random, 5 * second, 2 * minute);
  tell(`control stands still for ${Math.round(ms / second)} s`);
  control.process?.pause(ms);
}

/** Told at the next registration. */
function renameHost(targets: FaultTargets): void {
  const host = someHost(targets);
  const before = host.hostname;
  host.hostname = `${host.name}-${int(targets.random, 1, 99)}`;
  targets.tell(`${before} is now called ${host.hostname}`, host);
}

/** A copy is made now, and put back after a while in which much has happened. */
function restoreBackup({ random, clock, tell, isOver, backUp, restore }: FaultTargets): void {
  const ms = int(random, minute, 10 * minute);
  tell('the database is backed up');
  void backUp().then((backup) => {
    clock.after(ms, () => {
      if (isOver()) return;
      tell(`the database is restored from a backup that is ${Math.round(ms / second)} s old`);
      void restore(backup);
    });
  });
}
