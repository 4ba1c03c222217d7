/** Users whose own controller steers a service: they make task sets, scale them, choose the one that serves, and delete the others. */
import { int, pick, type Random } from '#lib/random.ts';
import type { Service } from '#model/service.ts';
import type { WorkloadOptions } from './workload-options.ts';

const steeredServices = ['steered-1', 'steered-2'] as const;

export async function createSteeredService({ random, ledger, call }: WorkloadOptions): Promise<void> {
  const serviceName = pick(random, steeredServices);
  const body = { serviceName, desiredCount: int(random, 0, 6), deploymentController: { type: 'EXTERNAL' } };
  ledger.created(serviceName, body, await call('CreateService', body));
}

export async function steer(options: WorkloadOptions): Promise<void> {
  const { random, ledger, rows, call } = options;
  const steered = [...rows.services.values()].filter(
    ({ deploymentController, status }) => deploymentController === 'EXTERNAL' && status === 'ACTIVE',
  );
  if (steered.length === 0) return createSteeredService(options);
  const { serviceName: service, deployments } = pick(random, steered);
  const place = { cluster: 'default', service };
  const taskDefinition = ledger.someDefinition(random);
  const set = someSet(random, deployments);
  if (set === undefined || int(random, 1, 3) === 1) {
    if (taskDefinition !== undefined)
      await call('CreateTaskSet', { ...place, taskDefinition, scale: someScale(random) });
    return;
  }
  switch (int(random, 1, 4)) {
    case 1:
      await call('DeleteTaskSet', { ...place, taskSet: set, force: true });
      return;
    case 2:
      await call('UpdateServicePrimaryTaskSet', { ...place, primaryTaskSet: set });
      return;
    default:
      await call('UpdateTaskSet', { ...place, taskSet: set, scale: someScale(random) });
  }
}

function someSet(random: Random, deployments: Service['deployments']): string | undefined {
  return deployments.length === 0 ? undefined : pick(random, deployments).id;
}

function someScale(random: Random): object {
  return { value: pick(random, [0, 10, 33.3, 50, 100]), unit: 'PERCENT' };
}
