/**
 * The life of one seed: machines join, users and faults have their way for a while, then everything that is broken is mended and the world has
 * a bounded time to come to rest; what cannot run is given up by its users, and at last nothing may happen any more.
 */
import { taskArnLabel } from '#agent/tasks/container-config.ts';
import { int } from '#lib/random.ts';
import { arnId } from '#model/arn.ts';
import type { Cluster } from '#model/cluster.ts';
import type { TaskDefinition } from '#model/task-definition.ts';
import type { CallOutcome } from '#test/support/simulated-control.ts';
import type { SimulatedHost } from '#test/support/simulated-host.ts';
import { isRunnable, problemsAtRest } from './invariants/rest.ts';
import type { Problem } from './invariants/rest-view.ts';
import { strike, type FaultName, type FaultTargets } from './faults.ts';
import { planText } from './plan.ts';
import type { TraceEntry } from './trace.ts';
import { invariantNames, Violation, type Invariant } from './violation.ts';
import { nextMove, register } from './workload.ts';
import { someHabits } from './workload-options.ts';
import { branch, liveOnMachine, World, type Sabotage } from './world.ts';

export interface SimulationOptions {
  readonly seed: number;
  readonly sabotage?: Sabotage | undefined;
  /** False by default: a trace takes longer than what it tells of. */
  readonly keepTrace?: boolean;
}

export interface SimulationResult {
  readonly seed: number;
  readonly violation?: { readonly invariant: Invariant; readonly message: string };
  /** Empty unless it was kept. */
  readonly trace: readonly TraceEntry[];
  readonly hash: string;
  readonly steps: number;
  readonly machines: number;
  /** Calls of users. */
  readonly calls: number;
  /** How often each fault struck. */
  readonly faults: Readonly<Partial<Record<FaultName, number>>>;
  /** Virtual time from the first step to the last. */
  readonly virtualMs: number;
}

const second = 1000;
const minute = 60 * second;
/** The longest hold of launches is 27 minutes; after it there is one more try. */
const restLimitMs = 50 * minute;
const lookEveryMs = 20 * second;
/** Some machines join when services run already, and may be spread anew. */
const lateOneIn = 5;
const latestJoinMs = 40 * minute;
/** What is left of ended tasks is cleaned up in this time, and that is written down. */
const remainsMs = 8 * minute;
const quietMs = 10 * minute;
/** Of the reconciler's: a full pass comes at most so much later than its period. */
const fullPassJitter = 1.2;

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const { seed, sabotage, keepTrace = false } = options;
  const world = await World.create({ seed, sabotage, keepTrace });
  const faults: Partial<Record<FaultName, number>> = {};
  const start = world.clock.now();
  const onUnhandled = (error: unknown): void => world.unhandled(error);
  process.on('unhandledRejection', onUnhandled);
  let violation: SimulationResult['violation'];
  try {
    await live(world, faults);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    const { invariant, message } = error;
    violation = { invariant, message };
    world.trace.add('VIOLATED', `${invariant} (${invariantNames[invariant]}): ${message}`);
  } finally {
    process.off('unhandledRejection', onUnhandled);
    world.trace.end();
    await world.close();
  }
  return {
    seed,
    ...(violation === undefined ? {} : { violation }),
    trace: world.trace.entries,
    hash: world.trace.hash(),
    steps: world.steps,
    machines: world.plan.machines,
    calls: world.calls,
    faults,
    virtualMs: world.clock.now() - start,
  };
}

async function live(world: World, faults: Partial<Record<FaultName, number>>): Promise<void> {
  const { clock, plan } = world;
  world.trace.add('seed', planText(plan));
  join(world);
  const end = clock.now() + plan.turmoilMs;
  employ(world, end);
  harm(world, end, faults);
  await world.runUntil(end);
  mend(world);
  await comeToRest(world);
  await giveUpWhatCannotRun(world);
  await comeToRest(world);
  await stayQuiet(world);
  await world.database.store.read((tx) => world.ledger.checkDefinitions(tx));
}

function join(world: World): void {
  const { random, clock, plan } = world;
  world.keepControlUp();
  for (let n = 0; n < plan.machines; n++) {
    const host = world.addHost();
    const isLate = n > 0 && int(random, 1, lateOneIn) === 1;
    clock.after(int(random, 0, isLate ? latestJoinMs : 5 * second), () => world.keepAgentUp(host));
  }
}

/** Users call at random moments until `end`. */
function employ(world: World, end: number): void {
  const { random, clock, ledger, rows } = world;
  const own = branch(random);
  const { machines, callPaceMs } = world.plan;
  const options = { random: own, ledger, rows, machines, habits: someHabits(own), call: world.call.bind(world) };

  async function act(move: (context: typeof options) => Promise<void>): Promise<void> {
    await move(options);
    adoptNewMachines(world);
    const at = clock.now() + int(own, 500, callPaceMs);
    if (at < end) clock.after(at - clock.now(), () => void act(nextMove));
  }

  for (let n = 1; n <= 3; n++) clock.after(n * second, () => void register(options));
  clock.after(6 * second, () => void act(nextMove));
}

/** A machine that was deregistered is joined anew by its owner, after a while. */
function adoptNewMachines(world: World): void {
  const { rows, clock, random } = world;
  const known = new Set([...rows.instances.values()].map(({ machineId }) => machineId));
  for (const host of world.hosts) {
    if (!known.has(host.machineId) || host.registration(rows.instances) !== undefined) continue;
    const next = world.replaceHost(host);
    world.trace.add('owner', `${host.name} was deregistered and joins anew as ${next.name}`);
    clock.after(int(random, second, minute), () => world.keepAgentUp(next));
  }
}

function harm(world: World, end: number, struck: Partial<Record<FaultName, number>>): void {
  const { random, clock, control, database, network, registry, dependency, plan } = world;
  const own = branch(random);
  const targets: FaultTargets = {
    clock,
    random: own,
    control,
    database,
    network,
    registry,
    dependency,
    hosts: () => world.hosts,
    tell: (what, host) => world.trace.add('fault', what, host === undefined ? [] : [host.name]),
    loseJournal: world.loseJournal.bind(world),
    isOver: () => world.calm,
    backUp: world.backUp.bind(world),
    restore: world.restore.bind(world),
  };

  function next(): void {
    const at = clock.now() + int(own, second, plan.faultPaceMs);
    if (at < end) {
      clock.after(at - clock.now(), () => {
        const name = strike(targets, plan.faults);
        struck[name] = (struck[name] ?? 0) + 1;
        next();
      });
    }
  }

  clock.after(10 * second, next);
}

function mend(world: World): void {
  world.trace.add('faults', 'stop; everything is mended');
  world.calm = true;
  world.network.clearUp();
  world.registry.trouble = undefined;
  world.dependency.gone = false;
  world.database.planCrash('before', Infinity);
  world.database.diskFull = false;
  for (const host of world.hosts) {
    host.forgetPlans();
    host.engineHangs = false;
    host.engineDelayMs = 0;
    host.diskFull = false;
    host.engine.comeBack({ liveRestore: true });
  }
  adoptNewMachines(world);
}

/**
 * What an operator does after a restore (docs/operating.md): containers of tasks that control has forgotten are never stopped by Berth (S6), so he removes
 * them. A forgotten task that waits for room has none: where one still waits at the next look, its agent begins without its journal.
 */
function removeForgotten(world: World): void {
  if (world.unknown.size === 0) return;
  for (const host of world.hosts) {
    const waiting = forgottenOn(host, world);
    for (const { id, name, labels } of host.engine.containers()) {
      const taskArn = labels[taskArnLabel] ?? '';
      if (!world.unknown.has(taskArn)) continue;
      waiting.delete(taskArn);
      world.trace.add('owner', `removes ${name} on ${host.name}, which control does not know`, [host.name]);
      // The clock does not move while somebody waits for it here.
      void host.engine.remove(id).catch(() => undefined);
    }
    const before = world.waitingForgotten.get(host.name);
    world.waitingForgotten.set(host.name, waiting);
    if (before === undefined || waiting.isDisjointFrom(before)) continue;
    world.trace.add('owner', `starts the agent on ${host.name} without its journal: it knows what control does not`, [
      host.name,
    ]);
    host.kill();
    world.loseJournal(host);
    world.waitingForgotten.delete(host.name);
  }
}

/** Tasks that are not over for the agent of a machine, and that control has forgotten. */
function forgottenOn(host: SimulatedHost, { unknown }: World): Set<string> {
  return new Set(liveOnMachine(host).flatMap(({ taskArn }) => (unknown.has(taskArn) ? taskArn : [])));
}

/**
 * What an operator does after a restore: a machine that was deregistered since the backup is registered again, and its agent, which was told, stays away
 * until it is restarted.
 */
function restartTurnedAway(world: World): void {
  for (const host of world.hosts) {
    if (!world.turnedAway.has(host.name) || host.registration(world.rows.instances) === undefined) continue;
    world.trace.add('owner', `restarts the agent on ${host.name}, which a restored database has registered again`, [
      host.name,
    ]);
    host.kill();
  }
}

/**
 * What an operator does after a restore: a machine that was deregistered since the backup, and joined anew as another, is registered in the restored
 * database again. Nobody will ever speak for it, so it is deregistered once more.
 */
async function deregisterGone(world: World): Promise<void> {
  // What was called for at the last look shows here even when nothing has moved since.
  await world.checks.run();
  const machines = new Set(world.hosts.map(({ machineId }) => machineId));
  const gone = [...world.rows.instances.values()].filter(
    ({ status, machineId }) => status !== 'INACTIVE' && !machines.has(machineId),
  );
  for (const { containerInstanceArn, hostname } of gone) {
    world.trace.add('owner', `deregisters ${hostname} again, which a restored database has brought back`, [hostname]);
    world.ledger.deregistering(containerInstanceArn);
    const request = { containerInstance: containerInstanceArn, force: true };
    const outcome = await answerOf(world, 'DeregisterContainerInstance', request);
    // Control may be down: the next look asks again.
    if (outcome.kind !== 'answered' || outcome.answer.status === 200) continue;
    throw new Violation('I12', `${hostname} cannot be deregistered: ${JSON.stringify(outcome.answer.body)}`);
  }
}

/** The clock does not move while this waits for the answer, so it asks only once control has stopped standing still. */
async function answerOf(world: World, operation: string, body: object): Promise<CallOutcome> {
  while (world.control.process?.paused === true) await world.step();
  return world.call(operation, body);
}

/** Looks now and then until all is well, twice in a row; what is not well at the limit is a violation. */
async function comeToRest(world: World): Promise<void> {
  const limit = world.clock.now() + restLimitMs;
  let well = 0;
  let problems: Problem[] = [];
  while (well < 2) {
    await world.runUntil(world.clock.now() + lookEveryMs);
    removeForgotten(world);
    restartTurnedAway(world);
    await deregisterGone(world);
    problems = await look(world);
    well = problems.length === 0 ? well + 1 : 0;
    const [first] = problems;
    if (world.clock.now() < limit || first === undefined) continue;
    const all = problems.map(({ what }) => what).join('; ');
    throw new Violation(first.invariant, `${restLimitMs / minute} min after the last fault: ${all}`);
  }
}

async function look(world: World): Promise<Problem[]> {
  const { rows, hosts, control } = world;
  if (control.process === undefined) return [{ invariant: 'I12', what: 'control is down' }];
  const { cluster, definitions } = await readContext(world);
  if (cluster === undefined) return [{ invariant: 'I12', what: 'there is no default cluster' }];
  const now = world.clock.now();
  const { stoppingSince } = world.checks;
  const controlNow = now + control.wall.offsetMs;
  return [
    ...problemsAtRest({ rows, hosts, cluster, definitions, now, controlNow, stoppingSince }),
    ...forgottenProblems(world),
  ];
}

/** What the owner has done to end them must have ended them. */
function forgottenProblems(world: World): Problem[] {
  if (world.unknown.size === 0) return [];
  return world.hosts.flatMap((host) =>
    [...forgottenOn(host, world)].map((arn): Problem => ({
      invariant: 'I13',
      what: `${host.name} still has task ${arnId(arn)}, which control has forgotten and the owner has ended`,
    })),
  );
}

async function readContext(
  world: World,
): Promise<{ cluster: Cluster | undefined; definitions: ReadonlyMap<string, TaskDefinition> }> {
  const { rows, definitions, database } = world;
  const used = [
    ...rows.live(),
    ...rows.services.values(),
    ...[...rows.services.values()].flatMap((row) => row.deployments),
  ];
  const wanted = new Set(used.map(({ taskDefinitionArn }) => taskDefinitionArn).filter((arn) => !definitions.has(arn)));
  const cluster = await database.store.read(async (tx) => {
    for (const arn of wanted) {
      const [family = '', revision = ''] = arn.slice(arn.lastIndexOf('/') + 1).split(':');
      const definition = await tx.taskDefinitions.get(family, Number(revision));
      if (definition !== undefined) definitions.set(arn, definition);
    }
    return tx.clusters.get('default');
  });
  return { cluster, definitions };
}

/**
 * Users delete what can never become steady, and stop what waits for room until a time that is far ahead since control's clock was set back. Tasks that cannot
 * run end by themselves.
 */
async function giveUpWhatCannotRun(world: World): Promise<void> {
  const { definitions } = await readContext(world);
  for (const service of world.rows.services.values()) {
    if (service.status !== 'ACTIVE') continue;
    const hopeless = service.deployments.some((each) => !isRunnable(each.taskDefinitionArn, { definitions }));
    const waits = service.deployments.some(({ waiting }) => waiting !== undefined);
    if (!hopeless && !waits) continue;
    const { serviceName } = service;
    const outcome = await answerOf(world, 'DeleteService', { service: serviceName, force: true });
    world.ledger.deleted(serviceName, outcome);
    if (outcome.kind !== 'answered') throw new Violation('I12', `at rest, and control did not answer: ${outcome.kind}`);
  }
  for (const { taskArn, lastStatus } of world.rows.live()) {
    if (lastStatus !== 'PROVISIONING') continue;
    const body = { task: taskArn, reason: 'waited for long enough' };
    world.ledger.stopped(taskArn, await answerOf(world, 'StopTask', body));
  }
}

/** I12: nobody does anything, so nothing is written, neither in the database nor in a journal. */
async function stayQuiet(world: World): Promise<void> {
  // What frees room is not announced to services that would only be spread better there: the next full pass sees it.
  await world.runUntil(world.clock.now() + fullPassJitter * world.plan.fullPassEveryMs);
  await world.runUntil(world.clock.now() + remainsMs);
  const before = { commits: world.checks.commits, journals: journalWrites(world) };
  await world.runUntil(world.clock.now() + quietMs);
  const after = { commits: world.checks.commits, journals: journalWrites(world) };
  const problems = await look(world);
  const [first] = problems;
  if (first !== undefined) throw new Violation(first.invariant, `at rest, and then ${first.what}`);
  if (after.commits > before.commits || after.journals > before.journals) {
    const counts = `${after.commits - before.commits} commits and ${after.journals - before.journals} journal writes`;
    throw new Violation('I12', `at rest, and yet there were ${counts} in ${quietMs / minute} min`);
  }
}

function journalWrites({ hosts }: World): number {
  return hosts.reduce((sum, { journalWrites: writes }) => sum + writes, 0);
}
