/**
 * Moving tasks of a service that is at rest to where it is spread better: over availability zones as ECS does, and over instances where a tag asks for
 * it. Pure. One task at a time: its replacement starts first, within the ceiling, and it stops like anything that is to be replaced, when the
 * replacement is healthy. Protected tasks are not moved. What disturbs the service (a deployment, a death, a drain) ends the move; the usual rules see
 * to the task too many.
 */
import { arnId } from '#model/arn.ts';
import type { ServiceAction } from './actions.ts';
import { isMoving, type Plan, type PlanInput } from './census.ts';
import { rolloutLimits } from './limits.ts';
import { rebalancingTexts } from './reasons.ts';

export interface RebalancingPlan {
  actions: ServiceAction[];
  /** When an instance that has just connected may be moved to (epoch ms). */
  wakeAt?: number;
}

/** `plan` is what this look does anyway. */
export function planRebalancing(input: PlanInput, plan: Plan): RebalancingPlan {
  const { service } = input.snapshot;
  if (service.rebalancing?.move !== undefined) return { actions: continueMove(input, plan) };
  const atRest = plan.waiting === undefined && plan.stops.length + plan.starts.length + input.older.length === 0;
  if (input.primary.rolloutState !== 'COMPLETED') return { actions: stopRebalancing(input) };
  return atRest ? nextMove(input) : { actions: [] };
}

function continueMove(input: PlanInput, { stops }: Plan): ServiceAction[] {
  const { service, tasks } = input.snapshot;
  const { cause = 'zones', move } = service.rebalancing ?? {};
  const victim = tasks.find(({ taskArn }) => taskArn === move?.victim);
  const stopped = stops.some(({ task }) => task.taskArn === move?.victim);
  if (!stopped && isMoving(input)) return [];
  const settled: ServiceAction = { kind: 'setRebalancing', rebalancing: { cause } };
  if (!stopped || victim === undefined) return [settled];
  const where = cause === 'zones' ? (victim.availabilityZone ?? '') : arnId(victim.containerInstanceArn ?? '');
  const message = rebalancingTexts[cause].taskStopped(service.serviceName, where, victim.taskArn);
  return [settled, { kind: 'addEvent', message }];
}

function stopRebalancing({ snapshot: { service } }: PlanInput): ServiceAction[] {
  if (service.rebalancing === undefined) return [];
  const { cause } = service.rebalancing;
  return [
    { kind: 'setRebalancing' },
    { kind: 'addEvent', message: rebalancingTexts[cause].stopped(service.serviceName) },
  ];
}

function nextMove(input: PlanInput): RebalancingPlan {
  const { service, balance } = input.snapshot;
  const name = service.serviceName;
  if (balance === undefined) return { actions: stopRebalancing(input) };
  const { cause, proposal, counts, balanced, settlesAt } = balance;
  const { ceiling } = rolloutLimits(service);
  if (proposal !== undefined && ceiling > service.desiredCount) {
    const begun = service.rebalancing?.cause === cause;
    const started: ServiceAction = { kind: 'addEvent', message: rebalancingTexts[cause].started(name, counts) };
    const move: ServiceAction = { kind: 'moveTask', deploymentId: input.primary.id, cause, ...proposal };
    return { actions: begun ? [move] : [started, move] };
  }
  const wake = settlesAt === undefined ? {} : { wakeAt: settlesAt };
  if (service.rebalancing === undefined) return { actions: [], ...wake };
  if (!balanced || service.rebalancing.cause !== cause) return { actions: stopRebalancing(input), ...wake };
  const message = rebalancingTexts[cause].completed(name, counts);
  return { actions: [{ kind: 'setRebalancing' }, { kind: 'addEvent', message }], ...wake };
}
