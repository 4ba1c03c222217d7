/** Why a container instance takes no tasks, and what keeps it from being empty. */
import { describe, expect, it } from 'vitest';
import { whyInstance, type InstanceView } from '#control/why/why-instance.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Service } from '#model/service.ts';
import type { Task } from '#model/task.ts';
import { utcTime } from '#model/utc-time.ts';
import type { WhyAnswer } from '#protocol/why.ts';
import { aContainerInstance, type ContainerInstanceOverrides } from '#test/support/builders/a-container-instance.ts';
import { aDeployment } from '#test/support/builders/a-deployment.ts';
import { aService } from '#test/support/builders/a-service.ts';
import { aTask, type TaskOverrides } from '#test/support/builders/a-task.ts';
import { builtAt } from '#test/support/builders/unique.ts';

function why(
  overrides: ContainerInstanceOverrides,
  { tasks = [], ...view }: Partial<Omit<InstanceView, 'tasks'>> & { tasks?: TaskOverrides[] } = {},
): WhyAnswer {
  const instance: ContainerInstance = aContainerInstance(overrides);
  const { containerInstanceArn } = instance;
  const live = tasks.map((each): Task => aTask({ containerInstanceArn, ...each }));
  const defaults = { services: new Map<string, Service>(), now: builtAt };
  return whyInstance({ ...defaults, instance, tasks: live, ...view });
}

function texts(answer: WhyAnswer, topic: string): string[] {
  return answer.findings.filter((finding) => finding.topic === topic).map(({ text }) => text);
}

describe('an instance', () => {
  it('that takes tasks tells its room', () => {
    const answer = why({}, { tasks: [{ resources: { cpu: 100, memoryMiB: 96 } }] });
    expect(answer.summary).toContain('It takes tasks');
    expect(texts(answer, 'room')).toEqual(['1948 of 2048 CPU units, 4000 of 4096 MiB free beside 1 task']);
  });

  it('whose agent is disconnected says since when', () => {
    const answer = why({ agentConnected: false, agentConnectedChangedAt: 5 });
    expect(answer.summary).toBe("It takes no tasks: the instance's agent is disconnected.");
    expect(answer.findings).toContainEqual(expect.objectContaining({ topic: 'agent', at: 5 }));
  });

  it('that is impaired says by what', () => {
    const health = { status: 'IMPAIRED', reason: 'disk full', updatedAt: 3, changedAt: 2 } as const;
    const answer = why({ health });
    expect(answer.summary).toBe('It takes no tasks: the instance is impaired: disk full.');
    expect(answer.findings).toContainEqual({ topic: 'health', text: 'IMPAIRED: disk full', at: 2 });
  });

  it('that is gone says why', () => {
    expect(why({ status: 'INACTIVE', statusReason: 'forced' }).summary).toBe(
      'It was deregistered (forced) and takes no tasks.',
    );
  });
});

describe('a DRAINING instance', () => {
  it('that is empty says so', () => {
    expect(why({ status: 'DRAINING' }).summary).toBe('It takes no tasks, because it is being drained: it is empty.');
  });

  it('names each task in the way with its reason', () => {
    const service = (serviceName: string): TaskOverrides => ({ serviceName, deploymentId: 'ecs-svc/1' });
    const answer = why(
      { status: 'DRAINING' },
      {
        tasks: [
          {},
          { ...service('web') },
          { ...service('api') },
          { ...service('api'), protectedUntil: builtAt + 1000 },
          { ...service('logs') },
          { ...service('web'), desiredStatus: 'STOPPED', stoppingAt: 4 },
        ],
        services: new Map([
          ['web', aService({ deployments: [aDeployment()] })],
          ['api', aService({ deployments: [aDeployment({ waiting: { reason: 'tasks to become healthy' } })] })],
          ['logs', aService({ schedulingStrategy: 'DAEMON' })],
        ]),
      },
    );
    expect(answer.summary).toContain('6 tasks still on it');
    expect(texts(answer, 'drain').map((text) => text.replace(/^[0-9a-f]{12} /, ''))).toEqual([
      'of family:web belongs to no service and is waited for',
      'of service:web is being replaced (see `berth why web`)',
      'of service:api waits for tasks to become healthy (see `berth why api`)',
      `of service:api is protected until ${utcTime(builtAt + 1000)} (see \`berth why api\`)`,
      'of service:logs is a daemon and leaves last (see `berth why logs`)',
      'of service:web is stopping (see `berth why web`)',
    ]);
  });

  it('with many tasks names twenty and counts the rest', () => {
    const tasks = Array.from({ length: 50 }, () => ({}));
    expect(texts(why({ status: 'DRAINING' }, { tasks }), 'drain').at(-1)).toBe('and 30 tasks more');
    expect(texts(why({ status: 'DRAINING' }, { tasks }), 'drain')).toHaveLength(21);
  });

  it('with a deadline tells when what is left is stopped', () => {
    const tags = [{ key: 'berth:drain-deadline', value: '1h' }];
    const answer = why({ status: 'DRAINING', drainingSince: builtAt, tags }, { tasks: [{}] });
    expect(answer.findings).toContainEqual({
      topic: 'drain',
      text: 'what is left is stopped (berth:drain-deadline)',
      until: builtAt + 3_600_000,
    });
  });
});
