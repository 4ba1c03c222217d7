/** UpdateContainerAgent through the API; what the agent does about it is test/unit/agent/upgrade. */
import { describe, expect, test } from 'vitest';
import { reconcileInstance } from '#control/reconciler/instances.ts';
import { agentUpdateLimitMs } from '#model/agent-update.ts';
import { capability } from '#model/capabilities.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import { apiWorld, type ApiWorld, type Json } from './api-world.ts';

const agentAttributes = [{ name: capability.selfUpdate }];
const release = () => ({ version: '0.2.0+abc', text: '{}', signature: 'c2ln' });

async function worldWithInstance(
  versionInfo: ContainerInstance['versionInfo'] = { agentVersion: '0.1.0', agentHash: 'abc' },
): Promise<{ world: ApiWorld; containerInstance: string }> {
  const world = await apiWorld({ release });
  const { containerInstanceArn } = await world.instance({ versionInfo, agentAttributes });
  return { world, containerInstance: containerInstanceArn };
}

async function described(world: ApiWorld, containerInstance: string): Promise<Json | undefined> {
  return (await world.call('DescribeContainerInstances', { containerInstances: [containerInstance] }))[
    'containerInstances'
  ]?.[0];
}

describe('UpdateContainerAgent', () => {
  test('answers the instance with the update PENDING, and Describe shows it', async () => {
    const { world, containerInstance } = await worldWithInstance();
    const answer = await world.call('UpdateContainerAgent', { containerInstance });
    expect(answer['containerInstance']).toMatchObject({ agentUpdateStatus: 'PENDING', version: 2 });
    expect(await described(world, containerInstance)).toMatchObject({ agentUpdateStatus: 'PENDING' });
  });

  test('is refused while one is under way', async () => {
    const { world, containerInstance } = await worldWithInstance();
    await world.call('UpdateContainerAgent', { containerInstance });
    expect(await world.refusal('UpdateContainerAgent', { containerInstance })).toMatchObject({
      type: 'UpdateInProgressException',
    });
  });

  test('is refused when the agent has that version, commit included', async () => {
    const { world, containerInstance } = await worldWithInstance({ agentVersion: '0.2.0', agentHash: 'abc' });
    expect(await world.refusal('UpdateContainerAgent', { containerInstance })).toMatchObject({
      type: 'NoUpdateAvailableException',
      message: 'The agent is 0.2.0+abc already.',
    });
    const other = await world.instance({ versionInfo: { agentVersion: '0.2.0', agentHash: 'def' }, agentAttributes });
    await world.call('UpdateContainerAgent', { containerInstance: other.containerInstanceArn });
  });

  test('is refused where the agent did not register that it can', async () => {
    const world = await apiWorld({ release });
    const { containerInstanceArn } = await world.instance();
    expect(await world.refusal('UpdateContainerAgent', { containerInstance: containerInstanceArn })).toMatchObject({
      type: 'InvalidParameterException',
      message: expect.stringContaining('does not update itself'),
    });
  });

  test('is refused where the version of the agent is not known, and where control has nothing to give', async () => {
    const { world, containerInstance } = await worldWithInstance({ agentVersion: '' });
    expect(await world.refusal('UpdateContainerAgent', { containerInstance })).toMatchObject({
      type: 'MissingVersionException',
    });
    const bare = await apiWorld();
    const { containerInstanceArn } = await bare.instance();
    const refusal = await bare.refusal('UpdateContainerAgent', { containerInstance: containerInstanceArn });
    expect(refusal).toMatchObject({ type: 'NoUpdateAvailableException' });
  });

  test('of an instance that is not there or INACTIVE is refused', async () => {
    const { world, containerInstance } = await worldWithInstance();
    const absent = { message: 'Referenced container instance not found.' };
    const nobody = { containerInstance: '0123456789abcdef' };
    expect(await world.refusal('UpdateContainerAgent', nobody)).toMatchObject(absent);
    await world.call('DeregisterContainerInstance', { containerInstance, force: true });
    expect(await world.refusal('UpdateContainerAgent', { containerInstance })).toMatchObject(absent);
  });

  test('that is not done within 20 minutes has FAILED, says why, and may be asked for again', async () => {
    const { world, containerInstance } = await worldWithInstance();
    await world.call('UpdateContainerAgent', { containerInstance });
    const { store, clock } = world;
    const look = () => reconcileInstance({ store, clock, listeningSince: 0 }, containerInstance);
    expect(await look()).toMatchObject({ lookAgainAt: clock.now() + agentUpdateLimitMs });
    await clock.advance(agentUpdateLimitMs);
    await look();
    expect(await described(world, containerInstance)).toMatchObject({
      agentUpdateStatus: 'FAILED',
      statusReason: expect.stringContaining('not done within 20 minutes: its agent was not connected'),
    });
    await world.call('UpdateContainerAgent', { containerInstance });
  });
});
