/** Berth at the same work: real daemons, driven through the public API, timed as a client sees it. */
import {
  CreateServiceCommand,
  DeleteServiceCommand,
  DescribeServicesCommand,
  DescribeTasksCommand,
  ListContainerInstancesCommand,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  StopTaskCommand,
  type Task,
} from '@aws-sdk/client-ecs';
import { systemClock } from '#lib/clock.ts';
import type { Cell } from '#test/support/processes.ts';

/**
 * How often the client looks: often enough for the figure it is after, seldom enough not to be what the machine is busy with (a look costs control and
 * client about 2 ms of processor time together, on the same cores as the engine).
 */
const taskPollMs = 20;
const servicePollMs = 50;
const usualWaitMs = 120_000;
const family = 'bench';

export interface BerthBench {
  /** Milliseconds from RunTask until DescribeTasks shows RUNNING. */
  runTask(): Promise<number>;
  /** Milliseconds from CreateService until all of its tasks are RUNNING. */
  createService(name: string, desiredCount: number): Promise<number>;
  /** Milliseconds from the kill of a task's container until as many tasks are RUNNING again. */
  killOne(name: string, desiredCount: number, kill: (id: string) => Promise<void>): Promise<number>;
  deleteService(name: string): Promise<void>;
  stopTasks(): Promise<void>;
}

export async function until<T>(
  what: string,
  look: () => Promise<T | undefined>,
  times: { pollMs?: number; waitMs?: number } = {},
): Promise<T> {
  const { pollMs = servicePollMs, waitMs = usualWaitMs } = times;
  const limit = systemClock.now() + waitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (systemClock.now() > limit) throw new Error(`${what} did not happen in ${waitMs / 1000} s`);
    await systemClock.sleep(pollMs);
  }
}

export async function untilConnected({ ecs }: Cell): Promise<void> {
  await until('an agent', async () => {
    const { containerInstanceArns = [] } = await ecs.send(
      new ListContainerInstancesCommand({ filter: 'agentConnected == true' }),
    );
    return containerInstanceArns[0];
  });
}

export async function benchBerth(cell: Cell, image: string, command: readonly string[]): Promise<BerthBench> {
  const { ecs } = cell;
  await untilConnected(cell);
  const containerDefinitions = [
    {
      name: 'main',
      image,
      command: [...command],
      cpu: 16,
      memory: 16,
      portMappings: [{ containerPort: 8080, hostPort: 0 }],
    },
  ];
  await ecs.send(new RegisterTaskDefinitionCommand({ family, networkMode: 'bridge', containerDefinitions }));

  async function runningTasks(serviceName: string): Promise<Task[]> {
    const { taskArns = [] } = await ecs.send(new ListTasksCommand({ serviceName }));
    if (taskArns.length === 0) return [];
    const { tasks = [] } = await ecs.send(new DescribeTasksCommand({ tasks: taskArns }));
    return tasks.filter((task) => task.lastStatus === 'RUNNING');
  }

  return {
    async runTask() {
      const began = performance.now();
      const { tasks = [], failures = [] } = await ecs.send(
        new RunTaskCommand({ taskDefinition: family, startedBy: 'bench' }),
      );
      const arn = tasks[0]?.taskArn;
      if (arn === undefined) throw new Error(`RunTask placed nothing: ${JSON.stringify(failures)}`);
      await until(
        `task ${arn} RUNNING`,
        async () => {
          const { tasks: [task] = [] } = await ecs.send(new DescribeTasksCommand({ tasks: [arn] }));
          if (task?.lastStatus === 'STOPPED') throw new Error(`the task stopped: ${task.stoppedReason}`);
          return task?.lastStatus === 'RUNNING' ? task : undefined;
        },
        { pollMs: taskPollMs },
      );
      return performance.now() - began;
    },
    async createService(serviceName, desiredCount) {
      const began = performance.now();
      await ecs.send(new CreateServiceCommand({ serviceName, taskDefinition: family, desiredCount }));
      await until(`${desiredCount} tasks RUNNING`, async () => {
        const { services: [service] = [] } = await ecs.send(new DescribeServicesCommand({ services: [serviceName] }));
        return service?.runningCount === desiredCount ? service : undefined;
      });
      return performance.now() - began;
    },
    async killOne(name, desiredCount, kill) {
      const [victim] = await runningTasks(name);
      const runtimeId = victim?.containers?.[0]?.runtimeId;
      if (runtimeId === undefined) throw new Error(`no running container of ${name}`);
      const began = performance.now();
      await kill(runtimeId);
      await until('the replacement', async () => {
        const tasks = await runningTasks(name);
        return tasks.length === desiredCount && tasks.every((task) => task.taskArn !== victim?.taskArn)
          ? tasks
          : undefined;
      });
      return performance.now() - began;
    },
    async deleteService(service) {
      await ecs.send(new DeleteServiceCommand({ service, force: true }));
      await until('the end of its tasks', async () => {
        const { services: [described] = [] } = await ecs.send(new DescribeServicesCommand({ services: [service] }));
        return described?.status === 'INACTIVE' ? described : undefined;
      });
    },
    async stopTasks() {
      const { taskArns = [] } = await ecs.send(new ListTasksCommand({ startedBy: 'bench' }));
      for (const task of taskArns) await ecs.send(new StopTaskCommand({ task }));
      await until('the end of the tasks', async () => {
        if (taskArns.length === 0) return true;
        const { tasks = [] } = await ecs.send(new DescribeTasksCommand({ tasks: taskArns }));
        return tasks.every((task) => task.lastStatus === 'STOPPED') ? true : undefined;
      });
    },
  };
}
