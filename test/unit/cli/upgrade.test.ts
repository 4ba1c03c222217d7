/** `berth upgrade`: one agent after the other, and no further than the first that fails. */
import { describe, expect, it } from 'vitest';
import { afterRegistration, afterReport } from '#model/agent-update.ts';
import { capability } from '#model/capabilities.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import { apiWorld, type ApiWorld } from '../control/api/api-world.ts';
import { berthIn } from './berth-in.ts';

const agentAttributes = [{ name: capability.selfUpdate }];
const release = () => ({ version: '0.2.0', text: '{}' });

function idOf({ containerInstanceArn }: ContainerInstance): string {
  return containerInstanceArn.split('/').at(-1) ?? '';
}

async function fleet(world: ApiWorld): Promise<ContainerInstance[]> {
  return world.store.read((tx) => tx.containerInstances.list({ clusterName: 'default' }));
}

/** Each agent that was asked comes back with the version; `failing` goes back to its old one. */
async function obey(world: ApiWorld, failing?: ContainerInstance): Promise<void> {
  for (const instance of await fleet(world)) {
    if (instance.agentUpdate?.status !== 'PENDING') continue;
    const agentVersion = instance.containerInstanceArn === failing?.containerInstanceArn ? '0.1.0' : '0.2.0';
    const told = afterReport(instance.agentUpdate, { version: '0.2.0', status: 'UPDATING' }, world.clock.now());
    const agentUpdate = afterRegistration(told, agentVersion, world.clock.now());
    await world.store.write((tx) =>
      tx.containerInstances.put({ ...instance, agentUpdate, versionInfo: { agentVersion } }),
    );
  }
}

describe('berth upgrade', () => {
  it('brings every connected agent to the version of control, and leaves those that have it', async () => {
    const world = await apiWorld({ release });
    const old = [await world.instance({ agentAttributes }), await world.instance({ agentAttributes })];
    const current = await world.instance({ versionInfo: { agentVersion: '0.2.0' }, agentAttributes });
    await world.instance({ agentConnected: false });
    const asked: number[] = [];
    const meanwhile = async (): Promise<void> => {
      asked.push((await fleet(world)).filter(({ agentUpdate }) => agentUpdate?.status === 'PENDING').length);
      await obey(world);
    };
    const { terminal, done } = berthIn(world, meanwhile, 'upgrade', '--all', '--output', 'json');
    await done;
    const printed: { result: string }[] = JSON.parse(terminal.results);
    expect(printed.map(({ result }) => result).toSorted()).toEqual(['current', 'updated', 'updated']);
    expect(Math.max(...asked)).toBe(1);
    expect((await fleet(world)).filter(({ agentUpdate }) => agentUpdate?.status === 'UPDATED')).toHaveLength(
      old.length,
    );
    expect(idOf(current)).toBeDefined();
  });

  it('ends with the reason at the first agent that goes back, and asks no other', async () => {
    const world = await apiWorld({ release });
    const [first, second] = [await world.instance({ agentAttributes }), await world.instance({ agentAttributes })];
    const { done } = berthIn(world, () => obey(world, first), 'upgrade', idOf(first), idOf(second));
    await expect(done).rejects.toMatchObject({ message: expect.stringContaining('went back to 0.1.0') });
    const untouched = (await fleet(world)).find((each) => each.containerInstanceArn === second.containerInstanceArn);
    expect(untouched?.agentUpdate).toBeUndefined();
  });

  it.each([[[]], [['--all', 'abc']]])('wants to know which agents: %j', async (words) => {
    const world = await apiWorld({ release });
    await expect(berthIn(world, () => Promise.resolve(), 'upgrade', ...words).done).rejects.toMatchObject({
      message: expect.stringContaining('which agents?'),
    });
  });
});
