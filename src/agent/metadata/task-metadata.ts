/** A task as the task metadata endpoint shows it (ecs-agent's TaskResponse, versions 2 to 4). Absent values are left out of the JSON. Pure. */
import { parseTaskCpu, parseTaskMemory } from '#model/task-definition.ts';
import { isStopping, taskHasStopped, type AgentTask, type ContainerPhaseName } from '../tasks/agent-task.ts';
import { containerMetadata, time, type ContainerView, type MetadataVersion } from './container-metadata.ts';

export interface TaskView {
  task: AgentTask;
  /** In the order of the task's containers. */
  containers: readonly ContainerView[];
  availabilityZone: string;
}

const cpuUnitsPerCore = 1024;

export function taskMetadata(view: TaskView, version: MetadataVersion): Record<string, unknown> {
  const { task, containers, availabilityZone } = view;
  const { assignment } = task;
  return {
    Cluster: assignment.clusterName,
    TaskARN: assignment.taskArn,
    Family: assignment.family,
    Revision: String(assignment.revision),
    DesiredStatus: isStopping(task) ? 'STOPPED' : 'RUNNING',
    KnownStatus: knownStatus(task),
    Limits: limitsOf(task),
    PullStartedAt: time(task.pullStartedAt),
    PullStoppedAt: time(task.pullStoppedAt),
    ExecutionStoppedAt: time(task.executionStoppedAt),
    AvailabilityZone: availabilityZone,
    Containers: containers.map((container) => containerMetadata(container, version)),
    ...(version === 'v4' && {
      ServiceName: assignment.serviceName,
      Group: assignment.group,
      LaunchType: assignment.launchType,
      FaultInjectionEnabled: false,
    }),
  };
}

/** Only a task with a size of its own has limits, CPU in cores and memory in MiB. */
function limitsOf({ definition, assignment }: AgentTask): Record<string, number> | undefined {
  const cpu = parseTaskCpu(assignment.overrides.cpu ?? definition.cpu ?? '');
  const memory = parseTaskMemory(assignment.overrides.memory ?? definition.memory ?? '');
  if (cpu === undefined && memory === undefined) return undefined;
  return {
    ...(cpu === undefined ? {} : { CPU: cpu / cpuUnitsPerCore }),
    ...(memory === undefined ? {} : { Memory: memory }),
  };
}

const steps = ['NONE', 'PULLED', 'CREATED', 'RUNNING'] as const satisfies readonly ContainerPhaseName[];

/** How far all of its containers have come; one that has ended has come as far as running. */
function knownStatus(task: AgentTask): string {
  if (taskHasStopped(task)) return 'STOPPED';
  const reached = task.containers.map(({ phase }) => (phase.name === 'STOPPED' ? 'RUNNING' : phase.name));
  return steps.find((step) => reached.includes(step)) ?? 'NONE';
}
