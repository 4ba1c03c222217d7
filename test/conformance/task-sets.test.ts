/** Task sets, driven by the stock `aws` command as an external deployment controller would. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installedAwsCommands, startCell, type Cell } from './cell.ts';

let cell: Cell;

beforeAll(async () => {
  cell = await startCell();
});

afterAll(() => cell.close());

const commands = installedAwsCommands();

test('there is an aws command: install awscli from the distribution', () => {
  expect(commands).not.toEqual([]);
});

describe.each(commands)('%s ecs', (command) => {
  const name = `sets-${commands.indexOf(command)}`;
  const place = ['--cluster', 'default', '--service', name];
  const aws = (...args: string[]): Promise<Record<string, unknown>> => cell.aws(command, ...args);

  async function createTaskSet(scale: number): Promise<Record<string, string>> {
    const share = JSON.stringify({ value: scale, unit: 'PERCENT' });
    const { taskSet } = await aws('create-task-set', ...place, '--task-definition', name, '--scale', share);
    return Object(taskSet);
  }

  /** As controllers do: `aws` has no waiter for task sets. */
  async function expectSteady(id = ''): Promise<void> {
    await expect
      .poll(
        async () => {
          const { taskSets } = await aws('describe-task-sets', ...place, '--task-sets', id);
          return Array.isArray(taskSets) ? taskSets[0] : undefined;
        },
        { timeout: 30_000, interval: 200 },
      )
      .toMatchObject({ stabilityStatus: 'STEADY_STATE' });
  }

  test('moves a service from one task set to another', async () => {
    const container = '[{"name":"main","image":"busybox","memory":16}]';
    await aws('register-task-definition', '--family', name, '--container-definitions', container);
    const controller = ['--deployment-controller', 'type=EXTERNAL'];
    const { service } = await aws('create-service', '--service-name', name, '--desired-count', '2', ...controller);
    expect(service).toMatchObject({ status: 'ACTIVE', taskSets: [], deployments: [] });

    const blue = await createTaskSet(100);
    await expectSteady(blue['id']);
    await aws('update-service-primary-task-set', ...place, '--primary-task-set', blue['id'] ?? '');
    const green = await createTaskSet(50);
    await expectSteady(green['id']);
    const { taskArns } = await aws('list-tasks', '--started-by', green['id'] ?? '');
    expect(taskArns).toHaveLength(1);

    await aws('update-task-set', ...place, '--task-set', green['id'] ?? '', '--scale', 'value=100,unit=PERCENT');
    await expectSteady(green['id']);
    await aws('update-service-primary-task-set', ...place, '--primary-task-set', green['taskSetArn'] ?? '');
    await expect(aws('delete-task-set', ...place, '--task-set', blue['id'] ?? '')).rejects.toThrow('scaled above 0');
    const { taskSet } = await aws('delete-task-set', ...place, '--task-set', blue['id'] ?? '', '--force');
    expect(taskSet).toMatchObject({ status: 'DRAINING' });
    await expect
      .poll(async () => (await aws('describe-task-sets', ...place))['taskSets'], { timeout: 30_000, interval: 200 })
      .toMatchObject([{ id: green['id'], status: 'PRIMARY', runningCount: 2 }]);
    await aws('delete-service', '--service', name, '--force');
  });
});
