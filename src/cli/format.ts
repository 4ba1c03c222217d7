/** The words commands share: short ids, ports, reasons. Pure. */
import type { Container, Deployment, Service, Task } from '@aws-sdk/client-ecs';

/** The last segment of an ARN: what people type and read. */
export function shortId(arn: string | undefined): string | undefined {
  return arn?.slice(arn.lastIndexOf('/') + 1);
}

/** `family:revision` of a task definition ARN. */
export function definitionName(arn: string | undefined): string | undefined {
  return shortId(arn);
}

export function portsOf(task: Task): string | undefined {
  const bindings = (task.containers ?? []).flatMap((container) => container.networkBindings ?? []);
  const ports = bindings.map((binding) => `${binding.hostPort}->${binding.containerPort}/${binding.protocol}`);
  return ports.length === 0 ? undefined : ports.join(', ');
}

/** Why the task is where it is: its own reason, else the first container that has one, with its exit code. */
export function reasonOf(task: Task): string | undefined {
  const lostAt = task.attributes?.find(({ name }) => name === 'berth.lost-at')?.value;
  if (lostAt !== undefined) return `lost since ${lostAt}: its container instance fell silent`;
  const container = (task.containers ?? []).find((candidate) => candidate.reason !== undefined);
  const detail = container === undefined ? exitsOf(task) : `${container.name}: ${container.reason}`;
  if (task.stoppedReason === undefined) return detail;
  return detail === undefined ? task.stoppedReason : `${task.stoppedReason} (${detail})`;
}

function exitsOf(task: Task): string | undefined {
  const exits = (task.containers ?? []).flatMap((container: Container) =>
    container.exitCode === undefined ? [] : [`${container.name} exited with ${container.exitCode}`],
  );
  return exits.length === 0 ? undefined : exits.join(', ');
}

export interface Counts {
  desiredCount?: number | undefined;
  runningCount?: number | undefined;
  pendingCount?: number | undefined;
}

export function countsOf(service: Counts): string {
  const pending = service.pendingCount ?? 0;
  return `${service.runningCount ?? 0}/${service.desiredCount ?? 0}${pending > 0 ? ` (+${pending} pending)` : ''}`;
}

/** ECS's own rule for stable: one deployment, and as many running as wanted. */
export function isStable(service: Service): boolean {
  return (service.deployments ?? []).length === 1 && service.runningCount === service.desiredCount;
}

export function primaryOf(service: Service): Deployment | undefined {
  return service.deployments?.find((deployment) => deployment.status === 'PRIMARY');
}
