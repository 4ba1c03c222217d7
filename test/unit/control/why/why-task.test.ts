/** Why a task waits, runs where it does, stops, or has stopped. */
import { describe, expect, it } from 'vitest';
import { whyTask, type TaskView } from '#control/why/why-task.ts';
import type { WhyAnswer } from '#protocol/why.ts';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { aService } from '#test/support/builders/a-service.ts';
import { aTaskContainer } from '#test/support/builders/a-task-container.ts';
import { aTask, type TaskOverrides } from '#test/support/builders/a-task.ts';
import { builtAt } from '#test/support/builders/unique.ts';

const instance = aContainerInstance({ hostname: 'host-1' });
const here = 'host-1';

function why(overrides: TaskOverrides, view: Partial<TaskView> = {}): WhyAnswer {
  const task = aTask({ containerInstanceArn: instance.containerInstanceArn, ...overrides });
  return whyTask({ task, instance, service: undefined, placement: [], now: builtAt + 60_000, ...view });
}

function texts(answer: WhyAnswer, topic: string): string[] {
  return answer.findings.filter((finding) => finding.topic === topic).map(({ text }) => text);
}

describe('a PENDING task', () => {
  const pending = { lastStatus: 'PENDING' } as const;

  it('that its agent has not spoken of waits for the agent', () => {
    expect(why(pending).summary).toContain(`${here}`);
    expect(why(pending).summary).toContain('to report that it has begun');
  });

  it('on an instance whose agent is disconnected waits for it to be back', () => {
    const silent = aContainerInstance({ hostname: 'host-2', agentConnected: false, agentConnectedChangedAt: 7 });
    const answer = why(pending, { instance: silent });
    expect(answer.summary).toContain('starts when the agent is back');
    expect(answer.findings).toContainEqual(expect.objectContaining({ topic: 'agent', at: 7 }));
  });

  it('whose images are being pulled says so, and since when', () => {
    const answer = why({ ...pending, pullStartedAt: builtAt + 5, stateChangeNumber: 2 });
    expect(answer.summary).toContain('is pulling its images');
    expect(answer.findings).toContainEqual({ topic: 'images', text: 'being pulled', at: builtAt + 5 });
  });

  it('whose container waits for something says for what', () => {
    const containers = [aTaskContainer({ name: 'app', lastStatus: 'PENDING', reason: 'waits for db to be HEALTHY' })];
    const answer = why({ ...pending, containers, stateChangeNumber: 3 });
    expect(answer.summary).toContain('app waits: waits for db to be HEALTHY');
    expect(texts(answer, 'container')).toEqual(['app is PENDING: waits for db to be HEALTHY']);
  });

  it('without a place names the nearest instance', () => {
    const waiting = { until: builtAt + 60_000, placementConstraints: [], placementStrategy: [] };
    const { containerInstanceArn: _, ...task } = aTask({ lastStatus: 'PROVISIONING', waiting });
    const missing = [
      { filter: 'RESOURCE:MEMORY', reason: 'RESOURCE:MEMORY', text: 'needs 9 MiB of memory, 1 free of 4' },
    ];
    const nearest = [{ containerInstanceArn: instance.containerInstanceArn, hostname: here, missing }];
    const placement = [{ tasks: 1, instances: 4, fitting: 0, refusals: [], nearest }];
    const answer = whyTask({ task, instance: undefined, service: undefined, placement, now: builtAt });
    expect(answer.summary).toContain('waits for a place among 4 container instances');
    expect(answer.summary).toContain('needs 9 MiB of memory, 1 free of 4');
    expect(answer.findings).toMatchObject([{ topic: 'placement', until: builtAt + 60_000 }]);
  });
});

describe('a RUNNING task', () => {
  it('says where it runs and what chose the place', () => {
    const service = aService({ placementStrategy: [{ type: 'binpack', field: 'memory' }, { type: 'random' }] });
    const answer = why({ serviceName: 'web', availabilityZone: 'attic' }, { service });
    expect(answer.summary).toMatch(/^It runs on host-1 \([0-9a-f]{12}\)\.$/);
    expect(texts(answer, 'place')[0]).toContain('in attic, chosen by binpack(memory), then random for the service web');
  });

  it('names the default strategy of services, and daemons', () => {
    const serviceName = 'web';
    expect(texts(why({ serviceName }, { service: aService() }), 'place')[0]).toContain(
      'chosen by spread(attribute:ecs.availability-zone), then spread(instanceId)',
    );
    const daemon = aService({ schedulingStrategy: 'DAEMON' });
    expect(texts(why({ serviceName }, { service: daemon }), 'place')[0]).toContain(
      'one task on each container instance',
    );
  });

  it('that is UNHEALTHY names the container, and protection until when', () => {
    const containers = [aTaskContainer({ name: 'app', healthStatus: 'UNHEALTHY' })];
    const answer = why({ containers, healthStatus: 'UNHEALTHY', protectedUntil: builtAt + 120_000 });
    expect(answer.summary).toContain('is UNHEALTHY');
    expect(texts(answer, 'health')).toEqual(['the health check of app fails']);
    expect(answer.findings).toContainEqual(expect.objectContaining({ topic: 'protection', until: builtAt + 120_000 }));
  });
});

describe('a task on its way out', () => {
  it('names the containers that still run', () => {
    const containers = [aTaskContainer({ name: 'app' }), aTaskContainer({ name: 'log', lastStatus: 'STOPPED' })];
    const answer = why({ containers, desiredStatus: 'STOPPED', stopCode: 'UserInitiated', stoppedReason: 'enough' });
    expect(answer.status).toBe('RUNNING, to be STOPPED');
    expect(answer.summary).toBe('It is stopping: enough. It waits for app to end; its resources are taken until then.');
  });

  it('says that a disconnected agent cannot tell of its end', () => {
    const silent = aContainerInstance({ agentConnected: false });
    expect(why({ desiredStatus: 'STOPPED' }, { instance: silent }).summary).toContain('disconnected');
  });
});

describe('a STOPPED task', () => {
  it('says why, what asked for it, how its containers ended, and their last output', () => {
    const containers = [
      aTaskContainer({
        name: 'app',
        lastStatus: 'STOPPED',
        exitCode: 137,
        reason: 'OutOfMemoryError',
        lastOutput: ['bye'],
      }),
    ];
    const answer = why({
      lastStatus: 'STOPPED',
      stopCode: 'EssentialContainerExited',
      stoppedReason: 'Essential container in task exited',
      stoppedAt: 9,
      containers,
    });
    expect(answer.summary).toBe(
      'It has stopped: Essential container in task exited. Nobody asked for it: an essential container ended by itself.',
    );
    expect(answer.findings[0]).toEqual({
      topic: 'stop',
      text: 'EssentialContainerExited: Essential container in task exited',
      at: 9,
    });
    expect(texts(answer, 'container')).toEqual(['app exited with 137 (SIGKILL): OutOfMemoryError']);
    expect(answer.output).toEqual([{ name: 'app', lines: ['bye'] }]);
  });

  it.each([
    ['TaskFailedToStart', 'it could not start'],
    ['UserInitiated', 'A call of the API'],
    ['ServiceSchedulerInitiated', 'Its service web asked'],
    ['InfrastructureHealth', 'container instance was lost'],
  ] as const)('with the code %s says that "%s"', (stopCode, text) => {
    expect(why({ lastStatus: 'STOPPED', stopCode, stoppedReason: 'x', serviceName: 'web' }).summary).toContain(text);
  });
});
