/** Why a container instance takes no tasks, or is not empty yet. Pure; whether it takes tasks at all the filters of placement say. */
import { arnId } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Service } from '#model/service.ts';
import { isProtected } from '#model/task-protection.ts';
import { hasStopped, type Task } from '#model/task.ts';
import type { WhyAnswer, WhyFinding } from '#protocol/why.ts';
import { drainDeadlineOf, whyLeft } from '../deployments/drain.ts';
import { candidatesOf, type Candidate, type Occupant } from '../scheduler/candidate.ts';
import { admissionFilters, refusalOf } from '../scheduler/filters.ts';
import type { PlacementRequest } from '../scheduler/placement-request.ts';
import { counted, shortArn } from './words.ts';

export interface InstanceView {
  instance: ContainerInstance;
  /** Live tasks on it. */
  tasks: readonly Task[];
  /** Those of the tasks, by name. */
  services: ReadonlyMap<string, Service>;
  now: number;
}

/** A task that asks for nothing: what refuses it, refuses every task. */
const anyTask: PlacementRequest = {
  count: 1,
  group: '',
  launchType: 'EC2',
  resources: { cpu: 0, memoryMiB: 0, ports: [], gpuCount: 0 },
  requiredAttributes: [],
  constraints: [],
  strategy: [],
};

/** Tasks in the way are named up to this many. */
const mostNamed = 20;

export function whyInstance(view: InstanceView): WhyAnswer {
  const { instance, tasks } = view;
  const [candidate] = candidatesOf([instance], occupantsOf(tasks));
  const refusals =
    candidate === undefined ? [] : admissionFilters.flatMap((filter) => refusalOf(candidate, anyTask, [filter]) ?? []);
  const blocking = instance.status === 'DRAINING' ? drainFindings(view) : [];
  return {
    kind: 'instance',
    name: `${instance.hostname} (${arnId(instance.containerInstanceArn)})`,
    arn: instance.containerInstanceArn,
    status: instance.status,
    summary: summaryOf(
      view,
      refusals.map(({ refusal }) => refusal.detail),
    ),
    findings: [
      ...agentFinding(instance),
      ...healthFindings(instance),
      ...(candidate === undefined ? [] : roomFindings(candidate)),
      ...blocking,
    ],
  };
}

function summaryOf({ instance, tasks }: InstanceView, refusals: readonly string[]): string {
  const { status, statusReason } = instance;
  const why = statusReason === undefined ? '' : ` (${statusReason})`;
  if (status === 'INACTIVE') return `It was deregistered${why} and takes no tasks.`;
  if (status === 'DRAINING') {
    const left = tasks.length === 0 ? 'it is empty' : `${counted(tasks.length, 'task')} still on it`;
    return `It takes no tasks, because it is being drained${why}: ${left}.`;
  }
  if (refusals.length > 0) return `It takes no tasks: ${refusals.join('; ')}.`;
  return 'It takes tasks as far as its room, attributes and the constraints of the tasks allow.';
}

function agentFinding({ agentConnected, agentConnectedChangedAt, status }: ContainerInstance): WhyFinding[] {
  if (status === 'INACTIVE') return [];
  const text = agentConnected
    ? 'connected'
    : 'disconnected: what runs there goes on, and nothing can be started or stopped';
  return [{ topic: 'agent', text, at: agentConnectedChangedAt }];
}

function healthFindings({ health }: ContainerInstance): WhyFinding[] {
  if (health.status === 'OK') return [];
  const details = (health.details ?? []).filter(({ status }) => status !== 'OK');
  if (details.length === 0) return [{ topic: 'health', text: told(health), at: health.changedAt }];
  return details.map((detail) => ({ topic: 'health', text: `${detail.type} ${told(detail)}`, at: detail.changedAt }));
}

function told({ status, reason }: { status: string; reason?: string }): string {
  return reason === undefined ? status : `${status}: ${reason}`;
}

function roomFindings({ instance: { resources }, remaining, occupants }: Candidate): WhyFinding[] {
  const parts = [
    `${remaining.cpu} of ${resources.cpu} CPU units`,
    `${remaining.memoryMiB} of ${resources.memoryMiB} MiB`,
    ...(resources.gpuIds.length === 0 ? [] : [`${remaining.gpuIds.length} of ${resources.gpuIds.length} GPUs`]),
  ];
  return [{ topic: 'room', text: `${parts.join(', ')} free beside ${counted(occupants.length, 'task')}` }];
}

/** What keeps it from being empty, one finding per task as far as that stays readable. */
function drainFindings(view: InstanceView): WhyFinding[] {
  const { instance, tasks, now } = view;
  const findings = tasks.slice(0, mostNamed).map((task) => drainFinding(task, view));
  const more = tasks.length - findings.length;
  if (more > 0) findings.push({ topic: 'drain', text: `and ${counted(more, 'task')} more` });
  const deadline = drainDeadlineOf(instance);
  if (deadline !== undefined && deadline > now) {
    findings.unshift({ topic: 'drain', text: 'what is left is stopped (berth:drain-deadline)', until: deadline });
  }
  return findings;
}

function drainFinding(task: Task, view: InstanceView): WhyFinding {
  const { protectedUntil, serviceName, stoppingAt } = task;
  const seeService = serviceName === undefined ? '' : ` (see \`berth why ${serviceName}\`)`;
  const text = `${shortArn(task.taskArn)} of ${task.group} ${whyLeft(task, view, view.now)}${seeService}`;
  if (task.desiredStatus === 'STOPPED')
    return { topic: 'drain', text, ...(stoppingAt === undefined ? {} : { at: stoppingAt }) };
  const until = isProtected(task, view.now) ? protectedUntil : undefined;
  return { topic: 'drain', text, ...(until === undefined ? {} : { until }) };
}

function occupantsOf(tasks: readonly Task[]): Occupant[] {
  return tasks.flatMap(({ containerInstanceArn, ...task }) =>
    containerInstanceArn === undefined || hasStopped(task) ? [] : [{ ...task, containerInstanceArn }],
  );
}
