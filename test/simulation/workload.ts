/**
 * The users: a seeded sequence of API calls through the dispatcher. The ledger remembers what was acknowledged, which has to be true ever after
 * (I10); a call whose answer was lost may or may not have been carried out.
 */
import { int, pick, type Random } from '#lib/random.ts';
import { nameGroups, someStrategy, someWait } from './capacity-moves.ts';
import { activate, deregisterInstance, drain } from './drain-moves.ts';
import { definitionRequest, type ProgramName } from './programs.ts';
import {
  definitionToCreate,
  definitionToRollOut,
  serviceToRollOut,
  deploymentConfiguration,
  rollBack,
  someDeadline,
  stopRollout,
  tagService,
} from './rollout-moves.ts';
import type { Tag } from '#model/tag.ts';
import type { WorkloadOptions } from './workload-options.ts';
import { createSteeredService, steer } from './task-set-moves.ts';

type Move = (options: WorkloadOptions) => Promise<void>;

const families = ['web', 'api', 'worker', 'cron'] as const;
const serviceNames = ['front', 'back', 'jobs', 'edge', 'cache'] as const;
const machinesPerService = 4;
/** Of a service, for each machine beyond the first few. */
const tasksPerMachine = 0.5;

const programWeights: readonly (readonly [ProgramName, number])[] = [
  ['serves', 8],
  ['leaves', 4],
  ['flaky', 4],
  ['checked', 3],
  ['dependent', 3],
  ['sluggish', 2],
  ['unsteady', 4],
  ['stubborn', 2],
  ['brief', 2],
  ['crashes', 2],
  ['missing', 1],
  ['greedy', 1],
  ['sick', 1],
  ['unstartable', 1],
];

const moves: readonly (readonly [Move, number])[] = [
  [register, 4],
  [createService, 5],
  [updateService, 6],
  [scale, 5],
  [deleteService, 2],
  [runTask, 4],
  [startTask, 1],
  [stopTask, 3],
  [protectTask, 4],
  [nameGroups, 0.5],
  [createSteeredService, 0.5],
  [steer, 2],
  [drain, 2],
  [activate, 3],
  [deregisterDefinition, 1],
  [deregisterInstance, 0.3],
  [stopRollout, 1.5],
  [rollBack, 1],
  [tagService, 1],
];

export async function nextMove(options: WorkloadOptions): Promise<void> {
  const { random, habits } = options;
  const chosen = weighted(random, moves);
  // A rollout that is overtaken at once comes to no end of its own.
  const rollsOut = habits.rollsOutOften && int(random, 1, 5) === 1;
  await (rollsOut ? updateService : chosen)(options);
}

export async function register({ random, ledger, habits, call }: WorkloadOptions): Promise<void> {
  const family = pick(random, families);
  const program = weighted(random, programWeights);
  const body = definitionRequest({
    family,
    program,
    sidecar: int(random, 1, 4) === 1,
    memory: pick(random, [64, 128, 256, 512]),
    ...(int(random, 1, 5) === 1 ? { hostPort: int(random, 8080, 8082) } : {}),
  });
  const arn = ledger.registered(await call('RegisterTaskDefinition', body));
  if (arn !== undefined) habits.programs.set(arn, program);
}

/** Five on few machines, one more for every few beyond. */
function someServiceName({ random, machines }: WorkloadOptions): string {
  const number = int(random, 0, serviceNames.length + Math.floor(machines / machinesPerService) - 1);
  return serviceNames[number] ?? `service-${number}`;
}

function someCount({ random, machines }: WorkloadOptions): number {
  return int(random, 0, 6 + Math.floor(machines * tasksPerMachine));
}

async function createService(options: WorkloadOptions): Promise<void> {
  const { random, ledger, habits, call } = options;
  const taskDefinition = definitionToCreate(options);
  if (taskDefinition === undefined) return register(options);
  const serviceName = someServiceName(options);
  const daemon = int(random, 1, 8) === 1;
  const desiredCount = someCount(options);
  const body = {
    serviceName,
    taskDefinition,
    ...(daemon ? { schedulingStrategy: 'DAEMON' } : { desiredCount }),
    deploymentConfiguration: deploymentConfiguration(random, habits, daemon),
    ...(daemon ? {} : { ...someStrategy(random), ...somePlacement(random) }),
    tags: [...silencePolicy(random), ...someDeadline(random, habits), ...(daemon ? [] : someRebalancing(random))],
  };
  ledger.created(serviceName, body, await call('CreateService', body));
}

function silencePolicy(random: Random): Tag[] {
  if (int(random, 1, 2) === 1) return [];
  return [
    { key: 'berth:lost-after', value: pick(random, ['5s', '20s', '2m', 'never']) },
    { key: 'berth:on-return', value: pick(random, ['newest', 'original']) },
  ];
}

/** Zones are rebalanced by default where no strategy says otherwise. */
function somePlacement(random: Random): object {
  if (int(random, 1, 3) > 1) return {};
  const overInstances = { type: 'spread', field: 'instanceId' };
  const overZones = { type: 'spread', field: 'attribute:ecs.availability-zone' };
  return {
    placementStrategy: pick(random, [
      [overInstances],
      [overZones, overInstances],
      [{ type: 'binpack', field: 'memory' }],
    ]),
  };
}

function someRebalancing(random: Random): Tag[] {
  return int(random, 1, 3) === 1 ? [{ key: 'berth:rebalance', value: 'ENABLED' }] : [];
}

async function updateService(options: WorkloadOptions): Promise<void> {
  const { random, ledger, habits, call } = options;
  const service = serviceToRollOut(options);
  const taskDefinition = definitionToRollOut(options);
  if (service === undefined || taskDefinition === undefined) return createService(options);
  const body = {
    service,
    ...(int(random, 1, 4) === 1 ? { forceNewDeployment: true } : { taskDefinition }),
    ...(int(random, 1, 4) === 1 && !ledger.isDaemon(service) ? { desiredCount: someCount(options) } : {}),
    ...(int(random, 1, 5) === 1
      ? { deploymentConfiguration: deploymentConfiguration(random, habits, ledger.isDaemon(service)) }
      : {}),
  };
  ledger.updated(service, body, await call('UpdateService', body));
}

async function scale(options: WorkloadOptions): Promise<void> {
  const { random, ledger, call } = options;
  const service = ledger.someService(random);
  if (service === undefined || ledger.isDaemon(service)) return createService(options);
  const body = { service, desiredCount: someCount(options) };
  ledger.updated(service, body, await call('UpdateService', body));
}

async function deleteService({ random, ledger, call }: WorkloadOptions): Promise<void> {
  const service = ledger.someService(random);
  if (service !== undefined) ledger.deleted(service, await call('DeleteService', { service, force: true }));
}

async function runTask(options: WorkloadOptions): Promise<void> {
  const { random, ledger, call } = options;
  const taskDefinition = ledger.someDefinition(random);
  if (taskDefinition === undefined) return register(options);
  const body = { taskDefinition, count: int(random, 1, 3), ...someStrategy(random), ...someWait(random) };
  ledger.ran(await call('RunTask', body));
}

async function startTask({ random, ledger, rows, call }: WorkloadOptions): Promise<void> {
  const taskDefinition = ledger.someDefinition(random);
  const instances = [...rows.instances.keys()];
  if (taskDefinition === undefined || instances.length === 0) return;
  ledger.ran(await call('StartTask', { taskDefinition, containerInstances: [pick(random, instances)] }));
}

async function stopTask({ random, ledger, rows, call }: WorkloadOptions): Promise<void> {
  const live = rows.live();
  if (live.length === 0) return;
  const { taskArn } = pick(random, live);
  ledger.stopped(taskArn, await call('StopTask', { task: taskArn, reason: 'a user said so' }));
}

async function protectTask({ random, ledger, rows, call }: WorkloadOptions): Promise<void> {
  const live = rows.live().filter((task) => task.lastStatus === 'RUNNING' && task.serviceName !== undefined);
  if (live.length === 0) return;
  const { taskArn } = pick(random, live);
  const protectionEnabled = int(random, 1, 4) > 1;
  const minutes = protectionEnabled ? { expiresInMinutes: int(random, 1, 10) } : {};
  const body = { cluster: 'default', tasks: [taskArn], protectionEnabled, ...minutes };
  ledger.protectionChanged(await call('UpdateTaskProtection', body));
}

async function deregisterDefinition({ random, ledger, call }: WorkloadOptions): Promise<void> {
  const taskDefinition = ledger.someDefinition(random);
  if (taskDefinition === undefined || ledger.definitionCount() < 4) return;
  ledger.deregistered(taskDefinition, await call('DeregisterTaskDefinition', { taskDefinition }));
}

export function weighted<T>(random: Random, choices: readonly (readonly [T, number])[]): T {
  let left = random.next() * choices.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [choice, weight] of choices) {
    left -= weight;
    if (left < 0) return choice;
  }
  return pick(random, choices)[0];
}
