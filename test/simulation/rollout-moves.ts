/**
 * Users who watch their rollouts: circuit breakers with all their settings, deadlines, rollouts of what cannot run over what serves, stops
 * (StopServiceDeployment) and ways back as `berth service rollback` goes them.
 */
import { int, pick, type Random } from '#lib/random.ts';
import { serviceDeploymentArn } from '#model/service-deployment.ts';
import type { Service } from '#model/service.ts';
import type { CallOutcome } from '#test/support/simulated-control.ts';
import { isSteadyProgram } from './programs.ts';
import type { Habits, WorkloadOptions } from './workload-options.ts';

const percents = [
  [100, 200],
  [50, 150],
  [0, 100],
  [50, 100],
  [66, 133],
  [34, 167],
] as const;
const daemonPercents = [
  [0, 100],
  [50, 100],
] as const;

export function deploymentConfiguration(random: Random, { rollsOutOften }: Habits, daemon = false): object {
  const [minimumHealthyPercent, maximumPercent] = pick<readonly [number, number]>(
    random,
    daemon ? daemonPercents : percents,
  );
  const hasBreaker = rollsOutOften ? int(random, 1, 3) > 1 : int(random, 1, 3) === 1;
  const breaker = hasBreaker ? { deploymentCircuitBreaker: someBreaker(random) } : {};
  return { minimumHealthyPercent, maximumPercent, ...breaker };
}

function someBreaker(random: Random): object {
  const plain = { enable: true, rollback: int(random, 0, 1) === 1 };
  if (int(random, 1, 3) === 1) return plain;
  const thresholdConfiguration = pick(random, [
    { type: 'COUNT', value: 1 },
    { type: 'COUNT', value: 2 },
    { type: 'COUNT', value: 4 },
    { type: 'BOUNDED_PERCENT', value: 100 },
    { type: 'UNBOUNDED_PERCENT', value: 50 },
    { type: 'UNBOUNDED_PERCENT', value: 200 },
  ]);
  return { ...plain, resetOnHealthyTask: int(random, 0, 1) === 1, thresholdConfiguration };
}

/** Tags of a service: how long its rollouts may take. */
export function someDeadline(random: Random, { rollsOutOften }: Habits): { key: string; value: string }[] {
  if (int(random, 1, 3) > (rollsOutOften ? 2 : 1)) return [];
  return [{ key: 'berth:deployment-deadline', value: pick(random, ['20s', '90s', '5m', '20m', 'never']) }];
}

/** Any definition; of users who roll out often mostly one that runs for a new service. */
export function definitionToCreate({ random, ledger, habits }: WorkloadOptions): string | undefined {
  if (!habits.rollsOutOften || int(random, 1, 4) === 1) return ledger.someDefinition(random);
  return ledger.someDefinition(random, (arn) => isSteady(arn, habits)) ?? ledger.someDefinition(random);
}

/** Any definition; of users who roll out often now and then one that cannot run. */
export function definitionToRollOut({ random, ledger, habits }: WorkloadOptions): string | undefined {
  if (!habits.rollsOutOften || int(random, 1, 2) === 1) return ledger.someDefinition(random);
  return ledger.someDefinition(random, (arn) => !isSteady(arn, habits)) ?? ledger.someDefinition(random);
}

/** Any service; users who roll out often wait for the rollout before, mostly. */
export function serviceToRollOut({ random, ledger, rows, habits }: WorkloadOptions): string | undefined {
  if (!habits.rollsOutOften || int(random, 1, 4) === 1) return ledger.someService(random);
  const settled = [...rows.services.values()].filter(
    ({ status, desiredCount, deployments: [primary], deploymentController }) =>
      status === 'ACTIVE' &&
      deploymentController === 'ECS' &&
      desiredCount > 0 &&
      primary?.rolloutState === 'COMPLETED',
  );
  return settled.length === 0 ? ledger.someService(random) : pick(random, settled).serviceName;
}

function isSteady(arn: string, { programs }: Habits): boolean {
  const program = programs.get(arn);
  return program !== undefined && program !== 'unsteady' && isSteadyProgram(program);
}

/** StopServiceDeployment of a rollout that is under way; refused where there is nothing to stop, or to go back to. */
export async function stopRollout({ random, rows, ledger, call }: WorkloadOptions): Promise<void> {
  const underWay = [...rows.services.values()].filter(
    ({ status, deployments: [primary], deploymentController }) =>
      status === 'ACTIVE' && deploymentController === 'ECS' && primary?.rolloutState === 'IN_PROGRESS',
  );
  if (underWay.length === 0) return;
  await stop(pick(random, underWay), pick(random, ['ABORT', 'ROLLBACK']), { ledger, call });
}

async function stop(
  { serviceArn, serviceName, deployments }: Service,
  stopType: 'ABORT' | 'ROLLBACK',
  { ledger, call }: Pick<WorkloadOptions, 'ledger' | 'call'>,
): Promise<void> {
  const [primary] = deployments;
  if (primary === undefined) return;
  const arn = serviceDeploymentArn(serviceArn, primary.id);
  const outcome = await call('StopServiceDeployment', { serviceDeploymentArn: arn, stopType });
  ledger.rolloutStopped(serviceName, primary.id, outcome);
}

/** As the command line does it: what is under way is stopped with ROLLBACK, otherwise the newest other definition that completed is rolled out again. */
export async function rollBack({ random, rows, ledger, call }: WorkloadOptions): Promise<void> {
  const active = [...rows.services.values()].filter(
    ({ status, deploymentController }) => status === 'ACTIVE' && deploymentController === 'ECS',
  );
  if (active.length === 0) return;
  const service = pick(random, active);
  const { serviceName, taskDefinitionArn } = service;
  const listed = answered(await call('ListServiceDeployments', { service: serviceName }));
  const rollouts = recordsIn(listed?.['serviceDeployments']);
  const status = rollouts[0]?.['status'];
  if (status === 'PENDING' || status === 'IN_PROGRESS') return stop(service, 'ROLLBACK', { ledger, call });
  const completed = rollouts.filter((rollout) => rollout['status'] === 'SUCCESSFUL');
  const serviceRevisionArns = completed.map((rollout) => String(rollout['targetServiceRevisionArn'])).slice(0, 20);
  if (serviceRevisionArns.length === 0) return;
  const described = answered(await call('DescribeServiceRevisions', { serviceRevisionArns }));
  const definitions = recordsIn(described?.['serviceRevisions']).map((revision) => String(revision['taskDefinition']));
  const taskDefinition = definitions.find((each) => each !== taskDefinitionArn);
  if (taskDefinition === undefined) return;
  const body = { service: serviceName, taskDefinition };
  ledger.updated(serviceName, body, await call('UpdateService', body));
}

/** Deadlines and the wish for an even spread hold from the moment they are given. */
export async function tagService(options: WorkloadOptions): Promise<void> {
  const { random, rows, call, habits } = options;
  const active = [...rows.services.values()].filter(({ status }) => status === 'ACTIVE');
  if (active.length === 0) return;
  const tags = [
    ...someDeadline(random, habits),
    { key: 'berth:rebalance', value: pick(random, ['ENABLED', 'ENABLED', 'DISABLED']) },
  ];
  await call('TagResource', { resourceArn: pick(random, active).serviceArn, tags });
}

function answered(outcome: CallOutcome): Record<string, unknown> | undefined {
  return outcome.kind === 'answered' && outcome.answer.status === 200 ? { ...outcome.answer.body } : undefined;
}

function recordsIn(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.map((each: unknown) => ({ ...Object(each) })) : [];
}
