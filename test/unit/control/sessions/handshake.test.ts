/** How sessions begin, and what refuses them. docs/session.md S4, S6. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aHello, connectFakeAgent } from '#test/support/fake-agent.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';

let control: SessionsUnderTest;
beforeEach(async () => {
  control = await startSessions();
});
afterEach(() => control.dispose());

describe('a hello', () => {
  it('registers a machine that was never seen', async () => {
    const agent = await control.connect({ attributes: [{ name: 'ecs.os-type', value: 'linux' }] });
    const instance = await control.instance();
    expect(instance).toMatchObject({
      clusterName: 'default',
      machineId: 'machine-0001',
      status: 'ACTIVE',
      agentConnected: true,
      resources: { cpu: 2048, memoryMiB: 4096 },
      agentAttributes: [{ name: 'ecs.os-type', value: 'linux' }],
      versionInfo: { agentVersion: '0.1.0', dockerVersion: '20.10.24' },
      health: { status: 'OK' },
      registeredAt: control.clock.now(),
    });
    expect(agent.last('welcome')).toMatchObject({
      containerInstanceArn: instance.containerInstanceArn,
      heartbeatIntervalMs: 10_000,
      region: 'us-east-1',
    });
    expect(agent.last('completeSet')).toEqual({ type: 'completeSet', number: 0, tasks: [] });
    expect(control.sessions.connected()).toBe(1);
  });

  it('keeps the ARN that is presented, the status and what the API wrote', async () => {
    const first = await control.connect();
    const before = await control.instance();
    first.pair.cut();
    await control.store.write(async (tx) => {
      const custom = [{ name: 'rack', value: '7' }];
      await tx.containerInstances.put({ ...before, status: 'DRAINING', customAttributes: custom });
    });
    await control.connect({
      containerInstanceArn: before.containerInstanceArn,
      resources: { cpu: 512, memoryMiB: 256, takenPorts: [], gpuIds: [] },
    });
    expect(await control.instance()).toMatchObject({
      containerInstanceArn: before.containerInstanceArn,
      status: 'DRAINING',
      customAttributes: [{ name: 'rack', value: '7' }],
      resources: { cpu: 512 },
    });
  });

  it('finds the machine again whose welcome was lost before it was saved', async () => {
    const first = await control.connect();
    first.pair.cut();
    await control.settle();
    await control.connect({ incarnation: 'incarnation-0002' });
    expect(await control.instances()).toHaveLength(1);
  });

  it('is refused in a cluster that does not exist', async () => {
    const agent = await control.connect({ cluster: 'nowhere' });
    expect(agent.closed).toEqual({ code: closeCodes.clusterNotFound, reason: 'there is no cluster nowhere' });
    expect(await control.instances()).toEqual([]);
  });

  it('is refused after the instance was deregistered, and during it', async () => {
    const agent = await control.connect();
    const instance = await control.instance();
    await control.store.write((tx) => tx.containerInstances.put({ ...instance, status: 'INACTIVE' }));
    await control.settle();
    expect(agent.closed?.code).toBe(closeCodes.deregistered);
    const again = await control.connect({ containerInstanceArn: instance.containerInstanceArn });
    expect(again.closed?.code).toBe(closeCodes.deregistered);
  });

  it('is refused with an ARN of another cluster or another machine', async () => {
    await control.connect();
    const { containerInstanceArn } = await control.instance();
    const elsewhere = 'arn:aws:ecs:us-east-1:000000000000:container-instance/other/0001';
    const stranger = await control.connect({ containerInstanceArn: elsewhere, machineId: 'machine-0002' });
    expect(stranger.closed?.code).toBe(closeCodes.unauthorized);
    const thief = await control.connect({ containerInstanceArn, machineId: 'machine-0003' });
    expect(thief.closed?.code).toBe(closeCodes.duplicateIdentity);
    expect((await control.instance()).machineId).toBe('machine-0001');
  });

  it('brings a row back that a restored database does not have', async () => {
    const presented = 'arn:aws:ecs:us-east-1:000000000000:container-instance/default/cafe';
    const agent = await control.connect({ containerInstanceArn: presented, assignmentNumber: 41 });
    expect(agent.last('welcome')?.containerInstanceArn).toBe(presented);
    expect(await control.instance()).toMatchObject({
      containerInstanceArn: presented,
      assignmentNumber: 41,
      forgottenAssignments: [{ after: 0, upTo: 41 }],
    });
  });

  it('that knows more than it can have heard tells what was forgotten, also under numbers given out since (S6)', async () => {
    const agent = await control.connect();
    const { taskArn } = await control.place();
    agent.pair.cut();
    await control.settle();
    expect(await control.instance()).toMatchObject({ agentConnected: false, assignmentNumber: 1, heardUpTo: 1 });
    // The silent agent's line goes on; that the agent knows number 2 must be from before a restore.
    await control.requestStop(taskArn);
    await control.requestStop(taskArn);
    await control.connect({ assignmentNumber: 2 });
    const instance = await control.instance();
    expect(instance).toMatchObject({ assignmentNumber: 3, forgottenAssignments: [{ after: 1, upTo: 2 }] });
    expect(instance).not.toHaveProperty('heardUpTo');
  });

  it('that heard all there was to hear forgets nothing, whatever was given out since', async () => {
    const agent = await control.connect();
    const { taskArn } = await control.place();
    agent.pair.cut();
    await control.settle();
    await control.requestStop(taskArn);
    await control.connect({ assignmentNumber: 1 });
    expect(await control.instance()).not.toHaveProperty('forgottenAssignments');
  });

  it('without a journal gets numbers that no other journal of the machine ever had, in whatever history (S6)', async () => {
    const first = await control.connect();
    await control.place();
    first.pair.cut();
    await control.settle();
    const backup = await control.instance();
    const begun: number[] = [];
    for (const incarnation of ['incarnation-0002', 'incarnation-0003']) {
      await control.store.write((tx) => tx.containerInstances.put(backup));
      const agent = await control.connect({ incarnation });
      begun.push((await control.instance()).assignmentNumber);
      agent.pair.cut();
      await control.settle();
    }
    const [one = 0, other = 0] = begun;
    expect(one).toBeGreaterThan(1_000_000);
    expect(other).toBeGreaterThan(1_000_000);
    expect(Math.abs(one - other)).toBeGreaterThanOrEqual(1_000_000);
  });

  it('that offers no common version is told so, even when the rest is of a shape yet unknown', async () => {
    const agent = connectFakeAgent(control);
    agent.sendText(JSON.stringify({ type: 'hello', protocolVersions: [7], novelty: true }));
    await control.settle();
    expect(agent.closed?.code).toBe(closeCodes.versionMismatch);
  });

  it('must come within ten seconds', async () => {
    const agent = connectFakeAgent(control);
    await control.clock.advance(10_001);
    expect(agent.closed).toEqual({ code: closeCodes.heartbeatTimeout, reason: 'no handshake in time' });
  });

  it('is answered with an internal error while the database is out of reach, and succeeds later', async () => {
    control.storeFailure = new Error('disk full');
    const agent = await control.connect();
    expect(agent.closed?.code).toBe(closeCodes.internalError);
    control.storeFailure = undefined;
    const later = await control.connect();
    expect(later.closed).toBeUndefined();
  });
});

describe('one live session an instance (S4)', () => {
  it('a newer session of the machine takes over, and the end of the older changes nothing', async () => {
    const older = await control.connect();
    const newer = await control.connect({ incarnation: 'incarnation-0002' });
    expect(older.closed?.code).toBe(closeCodes.superseded);
    expect(newer.closed).toBeUndefined();
    expect(await control.instance()).toMatchObject({ agentConnected: true });
    expect(control.sessions.connected()).toBe(1);
  });

  it('a machine with a copied disk is refused loudly while the original is connected', async () => {
    const original = await control.connect();
    const before = await control.instance();
    const copy = await control.connect({
      containerInstanceArn: before.containerInstanceArn,
      fingerprint: 'fingerprint-0002',
      hostname: 'copy',
      resources: { cpu: 1, memoryMiB: 1, takenPorts: [], gpuIds: [] },
    });
    expect(copy.closed?.code).toBe(closeCodes.duplicateIdentity);
    expect(original.closed).toBeUndefined();
    expect(await control.instance()).toEqual(before);
    expect(control.logLines.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
      'two machines have one identity (a copied disk?); the newcomer is refused',
    ]);
  });

  it('two hellos at the same moment leave one session', async () => {
    const agents = [connectFakeAgent(control), connectFakeAgent(control)];
    for (const agent of agents) agent.send(aHello());
    await control.settle();
    expect(agents.filter(({ closed }) => closed === undefined)).toHaveLength(1);
    expect(control.sessions.connected()).toBe(1);
    expect(await control.instances()).toHaveLength(1);
  });
});
