/** Why a task is where it is: why it waits, runs there, stops or has stopped. Pure. */
import { arnId } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Service } from '#model/service.ts';
import { isProtected } from '#model/task-protection.ts';
import { hasStopped, type StopCode, type Task, type TaskContainer } from '#model/task.ts';
import type { WhyAnswer, WhyFinding, WhyPlacement } from '#protocol/why.ts';
import { effectiveStrategy } from '../scheduler/strategies.ts';
import { counted, shortArn } from './words.ts';

export interface TaskView {
  task: Task;
  /** Where it is; undefined when it has no place or the instance is gone. */
  instance: ContainerInstance | undefined;
  /** Of a service's task, while the service is known. */
  service: Service | undefined;
  /** Of a task that waits for a place. */
  placement: readonly WhyPlacement[];
  now: number;
}

export function whyTask(view: TaskView): WhyAnswer {
  const { task, placement } = view;
  const output = task.containers.flatMap(({ name, lastOutput = [] }) =>
    lastOutput.length === 0 ? [] : [{ name, lines: [...lastOutput] }],
  );
  const { summary, findings } = explanationOf(view);
  return {
    kind: 'task',
    name: arnId(task.taskArn),
    arn: task.taskArn,
    status:
      task.lastStatus === task.desiredStatus ? task.lastStatus : `${task.lastStatus}, to be ${task.desiredStatus}`,
    summary,
    findings: [...findings, ...placeFindings(view), ...protection(view)],
    ...(placement.length === 0 ? {} : { placement: [...placement] }),
    ...(output.length === 0 ? {} : { output }),
  };
}

interface Explanation {
  summary: string;
  findings: WhyFinding[];
}

function explanationOf(view: TaskView): Explanation {
  const { task } = view;
  if (hasStopped(task)) return stopped(view);
  if (task.desiredStatus === 'STOPPED') return stopping(view);
  if (task.containerInstanceArn === undefined) return unplaced(view);
  return task.lastStatus === 'RUNNING' ? running(view) : starting(view);
}

function stopped({ task }: TaskView): Explanation {
  const reason = task.stoppedReason ?? 'no reason was given';
  return {
    summary: `It has stopped: ${reason}${endOf(reason)} ${askedBy(task)}`,
    findings: [stopFinding(task, task.stoppedAt), ...containerFindings(task)],
  };
}

/** What is stopping already waits for its containers, or for an agent that can be reached. */
function stopping({ task, instance }: TaskView): Explanation {
  const up = task.containers.filter(({ lastStatus }) => lastStatus !== 'STOPPED').map(({ name }) => name);
  const reason = task.stoppedReason ?? 'no reason was given';
  const waits =
    instance?.agentConnected === false
      ? 'The agent of its container instance is disconnected and cannot tell of its end; its resources count as taken until it does.'
      : `It waits for ${up.length === 0 ? 'its agent to report the end' : `${up.join(', ')} to end`}; its resources are taken until then.`;
  return {
    summary: `It is stopping: ${reason}${endOf(reason)} ${waits}`,
    findings: [stopFinding(task, task.stoppingAt), ...agentFindings(instance, task), ...containerFindings(task)],
  };
}

function unplaced({ task, placement: [refused] }: TaskView): Explanation {
  const nearest = refused?.nearest[0];
  const lacks = nearest?.missing.map(({ text }) => text).join('; ');
  const near =
    nearest === undefined
      ? ''
      : ` The nearest, ${nearest.hostname} (${shortArn(nearest.containerInstanceArn)}): ${lacks}.`;
  const why = refused?.refusals.map(({ text }) => text).join(', ') ?? '';
  const among = refused === undefined ? '' : ` among ${counted(refused.instances, 'container instance')}`;
  return {
    summary: `It waits for a place${among}.${near}`,
    findings: [
      {
        topic: 'placement',
        text: why === '' ? 'no container instance takes it yet' : why,
        at: task.createdAt,
        ...(task.waiting === undefined ? {} : { until: task.waiting.until }),
      },
    ],
  };
}

function starting({ task, instance }: TaskView): Explanation {
  const where = instance === undefined ? 'a container instance that is gone' : nameOf(instance);
  const unheard = task.stateChangeNumber === 0;
  const findings = [
    ...agentFindings(instance, task, { always: unheard }),
    ...imageFindings(task),
    ...containerFindings(task),
  ];
  if (instance?.agentConnected === false) {
    return {
      summary: `It is assigned to ${where}, whose agent is disconnected: it starts when the agent is back.`,
      findings,
    };
  }
  if (task.pullStartedAt !== undefined && task.pullStoppedAt === undefined) {
    return { summary: `${where} is pulling its images.`, findings };
  }
  const blocked = task.containers.find(({ lastStatus, reason }) => lastStatus === 'PENDING' && reason !== undefined);
  if (blocked !== undefined) return { summary: `On ${where}, ${blocked.name} waits: ${blocked.reason}`, findings };
  const waits = unheard ? `${where} to report that it has begun` : `its containers to start on ${where}`;
  return { summary: `It waits for ${waits}.`, findings };
}

function running({ task, instance }: TaskView): Explanation {
  const where = instance === undefined ? 'a container instance that is gone' : nameOf(instance);
  const findings = [...agentFindings(instance, task), ...healthFindings(task), ...containerFindings(task)];
  if (instance?.agentConnected === false) {
    return { summary: `It ran on ${where} when its agent was last heard; the agent is disconnected.`, findings };
  }
  const health = task.healthStatus === 'UNKNOWN' ? '' : ` and is ${task.healthStatus}`;
  return { summary: `It runs on ${where}${health}.`, findings };
}

const askers: Readonly<Record<StopCode, string>> = {
  TaskFailedToStart: 'Nobody asked for it: it could not start.',
  EssentialContainerExited: 'Nobody asked for it: an essential container ended by itself.',
  UserInitiated: 'A call of the API asked for it (StopTask, or a deregistration by force).',
  ServiceSchedulerInitiated: 'Its service asked for it.',
  SpotInterruption: 'Its machine is being taken away.',
  TerminationNotice: 'Its machine is being taken away.',
  InfrastructureHealth: 'Control declared it ended, because its container instance was lost.',
};

function askedBy({ stopCode, serviceName }: Task): string {
  if (stopCode === undefined) return 'Who asked for it is not known.';
  if (stopCode === 'ServiceSchedulerInitiated' && serviceName !== undefined)
    return `Its service ${serviceName} asked for it.`;
  return askers[stopCode];
}

function stopFinding(task: Task, at: number | undefined): WhyFinding {
  const { stopCode, stoppedReason } = task;
  const told = [stopCode, stoppedReason].filter((part) => part !== undefined).join(': ');
  const text = told === '' ? 'neither a code nor a reason was told' : told;
  return { topic: 'stop', text, ...(at === undefined ? {} : { at }) };
}

/** Those that have something to tell: how they ended, or what they wait for. */
function containerFindings({ containers }: Task): WhyFinding[] {
  return containers.flatMap((container): WhyFinding[] => {
    const { name, lastStatus, reason } = container;
    if (lastStatus !== 'STOPPED' && reason === undefined) return [];
    const told = lastStatus === 'STOPPED' ? exitText(container) : `is ${lastStatus}`;
    return [{ topic: 'container', text: reason === undefined ? `${name} ${told}` : `${name} ${told}: ${reason}` }];
  });
}

function exitText({ exitCode }: TaskContainer): string {
  if (exitCode === undefined) return 'ended without an exit code';
  const signal = { 134: 'SIGABRT', 137: 'SIGKILL', 139: 'SIGSEGV', 143: 'SIGTERM' }[exitCode];
  return signal === undefined ? `exited with ${exitCode}` : `exited with ${exitCode} (${signal})`;
}

function imageFindings({ pullStartedAt, pullStoppedAt }: Task): WhyFinding[] {
  if (pullStartedAt === undefined) return [];
  if (pullStoppedAt === undefined) return [{ topic: 'images', text: 'being pulled', at: pullStartedAt }];
  return [{ topic: 'images', text: 'are there', at: pullStoppedAt }];
}

function healthFindings({ healthStatus, containers }: Task): WhyFinding[] {
  if (healthStatus !== 'UNHEALTHY') return [];
  const failing = containers.filter((container) => container.healthStatus === 'UNHEALTHY').map(({ name }) => name);
  return [{ topic: 'health', text: `the health check of ${failing.join(', ') || 'a container'} fails` }];
}

/** When it matters; `always` also when all is well. */
function agentFindings(
  instance: ContainerInstance | undefined,
  { lostAt }: Task,
  { always = false } = {},
): WhyFinding[] {
  if (instance === undefined || (instance.agentConnected && !always && lostAt === undefined)) return [];
  const state = instance.agentConnected ? 'connected' : 'disconnected';
  const pair = instance.agentConnected
    ? ' again, and the service has yet to settle whether the task or its replacement stays'
    : ', and the service has given the task up';
  const text = `the agent of ${nameOf(instance)} is ${state}${lostAt === undefined ? '' : pair}`;
  return [{ topic: 'agent', text, at: instance.agentConnectedChangedAt }];
}

/** Why it is on this instance. */
function placeFindings({ task, instance, service }: TaskView): WhyFinding[] {
  if (task.containerInstanceArn === undefined) return [];
  const where =
    instance === undefined
      ? `container instance ${shortArn(task.containerInstanceArn)}, which is gone`
      : nameOf(instance);
  const zone = task.availabilityZone === undefined ? '' : ` in ${task.availabilityZone}`;
  return [{ topic: 'place', text: `on ${where}${zone}, ${chosenBy(task, service)}`, at: task.createdAt }];
}

function chosenBy({ serviceName }: Task, service: Service | undefined): string {
  if (serviceName === undefined) return 'chosen when it was made';
  if (service?.schedulingStrategy === 'DAEMON') return 'where its service runs one task on each container instance';
  if (service === undefined) return `chosen for the service ${serviceName}`;
  const strategies = effectiveStrategy({ strategy: service.placementStrategy, serviceName });
  const names = strategies.map(({ type = 'spread', field }) => (field === undefined ? type : `${type}(${field})`));
  return `chosen by ${names.join(', then ')} for the service ${serviceName}`;
}

function protection({ task, now }: TaskView): WhyFinding[] {
  if (hasStopped(task) || !isProtected(task, now) || task.protectedUntil === undefined) return [];
  return [{ topic: 'protection', text: 'protected from scale-in and deployments', until: task.protectedUntil }];
}

function nameOf({ hostname, containerInstanceArn }: ContainerInstance): string {
  return `${hostname} (${shortArn(containerInstanceArn)})`;
}

/** Reasons come with and without a full stop. */
function endOf(sentence: string): string {
  return /[.!?]$/.test(sentence) ? '' : '.';
}
