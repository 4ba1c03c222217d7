/** Rollouts that fail and ways back as a person at the command line sees them: the stock client, our API, the reconciler's looks between polls. */
import { describe, expect, it } from 'vitest';
import { History } from '../control/api/service-history.ts';
import { berthIn, type Running } from './berth-in.ts';

/** Each time the command waits, `meanwhile` happens. */
function berth({ world }: History, meanwhile: () => Promise<void>, ...words: string[]): Running {
  return berthIn(world, meanwhile, ...words);
}

const update = ['service', 'update', 'web', '--task-definition', 'web:2', '--wait'];
const breaker = { deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: true } } };

async function failing(history: History): Promise<void> {
  await history.look();
  await history.failAll();
}

async function working(history: History): Promise<void> {
  await history.look();
  await history.runAll();
  await history.world.clock.advance(61_000);
}

describe('service update --wait', () => {
  it('follows a rollout that fails until it is taken back, and fails with the reason', async () => {
    const history = await History.steady(breaker);
    const { terminal, done } = berth(history, () => failing(history), ...update);
    await expect(done).rejects.toMatchObject({
      message: expect.stringMatching(
        /^the rollout failed and was taken back: ECS deployment circuit breaker: tasks failed to start\. Last failure: CannotStart/,
      ),
      exitCode: 1,
    });
    expect(terminal.notes).toMatch(/deployment \d{19}: ROLLBACK_SUCCESSFUL: ECS deployment circuit breaker/);
    expect(terminal.notes).toContain('rolling back to (deployment ecs-svc/');
  });

  it('fails when the rollout stays failed', async () => {
    const history = await History.steady({
      deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: false } },
    });
    const { done } = berth(history, () => failing(history), ...update);
    await expect(done).rejects.toMatchObject({ message: expect.stringContaining('is not rolled back') });
  });

  it('says when a newer rollout took over', async () => {
    const history = await History.steady();
    const { done } = berth(
      history,
      async () => {
        await history.world.call('UpdateService', { service: 'web', forceNewDeployment: true });
        await history.look();
      },
      ...update,
    );
    await expect(done).rejects.toMatchObject({ message: expect.stringContaining('Superseded by deploymentId') });
  });

  it('ends well when the rollout does', async () => {
    const history = await History.steady(breaker);
    const { terminal, done } = berth(history, () => working(history), ...update);
    await done;
    expect(terminal.results).toContain('web is steady: 1/1 running');
  });
});

describe('service rollback', () => {
  it('stops the rollout under way, and --wait ends when the service is back', async () => {
    const history = await History.steady();
    await history.world.call('UpdateService', { service: 'web', taskDefinition: 'web:2' });
    await history.look();
    const { terminal, done } = berth(history, () => working(history), 'service', 'rollback', 'web', '--wait');
    await done;
    expect(terminal.notes).toContain('ROLLBACK_REQUESTED');
    expect(terminal.results).toContain('web is back at web:1: 1/1 running');
  });

  it('returns to the last other definition that completed when nothing is under way', async () => {
    const history = await History.steady();
    await history.world.call('UpdateService', { service: 'web', taskDefinition: 'web:2' });
    await history.settle();
    const { terminal, done } = berth(history, () => working(history), 'service', 'rollback', 'web', '--wait');
    await done;
    expect(terminal.results).toContain('web is back at web:1: 1/1 running');
  });

  it('returns to a revision by its number or by its definition', async () => {
    const history = await History.steady();
    const [first] = await history.list();
    await history.world.call('UpdateService', { service: 'web', taskDefinition: 'web:2' });
    await history.settle();
    const number = String(first?.['targetServiceRevisionArn']).split('/').at(-1) ?? '';
    for (const to of [number.slice(0, 10), 'web:1']) {
      await berth(history, () => working(history), 'service', 'rollback', 'web', '--to', to, '--wait').done;
      expect(await history.service()).toMatchObject({ taskDefinition: expect.stringMatching(/web:1$/) });
    }
  });

  it('says what to do when there is nothing to return to', async () => {
    const history = await History.steady();
    const none = berth(history, () => Promise.resolve(), 'service', 'rollback', 'web');
    await expect(none.done).rejects.toMatchObject({ next: 'see `berth service deployments web`' });
    const unknown = berth(history, () => Promise.resolve(), 'service', 'rollback', 'web', '--to', '77');
    await expect(unknown.done).rejects.toMatchObject({ message: expect.stringContaining('no revision 77') });
  });
});

it('service deployments lists what was rolled out, newest first', async () => {
  const history = await History.steady();
  await history.world.call('UpdateService', { service: 'web', taskDefinition: 'web:2' });
  await history.look();
  const { terminal, done } = berth(history, () => Promise.resolve(), 'service', 'deployments', 'web');
  await done;
  const [head = '', newest = '', oldest = ''] = terminal.results.split('\n');
  expect(head).toMatch(/^REVISION +DEFINITION +STATUS +AGE +TOOK +WHY$/);
  expect(newest).toMatch(/^\d{19} +web:2 +IN_PROGRESS .*Waiting: tasks to start\./);
  expect(oldest).toMatch(/^\d{19} +web:1 +SUCCESSFUL/);
});

it('service update sets the circuit breaker and the deadline of rollouts', async () => {
  const history = await History.steady();
  const words = ['service', 'update', 'web', '--circuit-breaker', 'rollback', '--deadline', '30m'];
  await berth(history, () => Promise.resolve(), ...words).done;
  const { services } = await history.world.call('DescribeServices', { services: ['web'], include: ['TAGS'] });
  expect(services?.[0]).toMatchObject({
    deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: true } },
    tags: [{ key: 'berth:deployment-deadline', value: '30m' }],
  });
  expect(services?.[0]?.['deployments']).toHaveLength(1);
});
