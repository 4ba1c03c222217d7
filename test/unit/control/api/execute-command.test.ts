/** ExecuteCommand through the API. */
import { describe, expect, it } from 'vitest';
import { ExecError, type GrantedExec } from '#control/sessions/exec-grants.ts';
import { capability } from '#model/capabilities.ts';
import { apiWorld, caller, type ApiWorld, type Json } from './api-world.ts';

interface World extends ApiWorld {
  readonly granted: GrantedExec[];
  readonly taskArn: string;
}

const able = { agentAttributes: [{ name: capability.executeCommand }] };

/** A RUNNING task of `web`, with a container `main` unless said otherwise. */
async function worldWithTask(options: { launch?: object; containers?: string[]; failure?: ExecError } = {}) {
  const granted: GrantedExec[] = [];
  const world = await apiWorld({
    execs: {
      grant(exec) {
        if (options.failure !== undefined) throw options.failure;
        granted.push(exec);
        return { sessionId: 'session-1', token: 'token-1' };
      },
    },
  });
  await world.instance(able);
  const containerDefinitions = (options.containers ?? ['main']).map((name) => ({ name, image: 'x', memory: 64 }));
  await world.definition('web', { containerDefinitions });
  const launch = { taskDefinition: 'web', enableExecuteCommand: true, ...options.launch };
  const { tasks } = await world.call('RunTask', launch);
  const taskArn = String(tasks?.[0]?.['taskArn']);
  await world.store.write(async (tx) => {
    const task = await tx.tasks.get(taskArn);
    if (task === undefined) throw new Error('no task');
    const containers = task.containers.map((container) => ({ ...container, lastStatus: 'RUNNING' as const }));
    await tx.tasks.put({ ...task, lastStatus: 'RUNNING', startedAt: 5000, containers });
  });
  return { ...world, granted, taskArn } satisfies World;
}

function execute(world: World, change: object = {}): Promise<Json> {
  return world.call('ExecuteCommand', { task: world.taskArn, command: 'sh -c "a b"', interactive: true, ...change });
}

function refusal(world: World, change: object = {}) {
  return world.refusal('ExecuteCommand', { task: world.taskArn, command: 'sh', interactive: true, ...change });
}

describe('ExecuteCommand', () => {
  it('hands out a session on the address of the request', async () => {
    const world = await worldWithTask();
    const answer = await execute(world, { task: world.taskArn.split('/').at(-1) });
    expect(answer).toEqual({
      clusterArn: 'arn:aws:ecs:us-east-1:000000000000:cluster/default',
      taskArn: world.taskArn,
      containerArn: expect.stringContaining(':container/'),
      containerName: 'main',
      interactive: true,
      session: {
        sessionId: 'session-1',
        streamUrl: 'ws://control.test:4566/exec/session-1',
        tokenValue: 'token-1',
      },
    });
    expect(world.granted).toMatchObject([
      {
        taskArn: world.taskArn,
        containerName: 'main',
        command: ['sh', '-c', 'a b'],
        interactive: true,
        principalArn: caller.arn,
      },
    ]);
  });

  it.each([
    ['in a task that was started without', { launch: { enableExecuteCommand: false } }, {}, /was not enabled/],
    ['of nothing', {}, { command: ' # nothing' }, /command: it has no program/],
    ['with an open quote', {}, { command: 'sh -c "a' }, /command: a double quote is not closed/],
    ['in a container that is not there', {}, { container: 'web' }, /no container web; it has: main/],
    ['in one of two', { containers: ['main', 'side'] }, {}, /name one of them: main, side/],
    ['in a task that is not there', {}, { task: 'f'.repeat(32) }, /task was not found/],
  ])('refuses a command %s', async (_case, options, change, message) => {
    const world = await worldWithTask(options);
    expect(await refusal(world, change)).toEqual({
      type: 'InvalidParameterException',
      message: expect.stringMatching(message),
    });
    expect(world.granted).toEqual([]);
  });

  it('takes one of two containers by its name, unless that does not run', async () => {
    const world = await worldWithTask({ containers: ['main', 'side'] });
    expect(await execute(world, { container: 'side' })).toMatchObject({ containerName: 'side' });
    const task = await world.store.read((tx) => tx.tasks.get(world.taskArn));
    const containers = task?.containers.map((container) =>
      container.name === 'side' ? { ...container, lastStatus: 'STOPPED' as const } : container,
    );
    await world.report(world.taskArn, { containers: containers ?? [] });
    const { message } = await refusal(world, { container: 'side' });
    expect(message).toContain('container side is not RUNNING: it is STOPPED');
  });

  it('needs a cluster and a task that runs', async () => {
    const world = await worldWithTask();
    expect(await refusal(world, { cluster: 'none' })).toMatchObject({ type: 'ClusterNotFoundException' });
    await world.report(world.taskArn, { lastStatus: 'STOPPED', desiredStatus: 'STOPPED' });
    expect(await refusal(world)).toMatchObject({
      type: 'InvalidParameterException',
      message: expect.stringContaining('the task is not RUNNING: it is STOPPED'),
    });
  });

  it.each([
    ['agent-not-connected', 'TargetNotConnectedException'],
    ['too-many', 'ClientException'],
  ] as const)('says so when the answer is %s', async (kind, type) => {
    const world = await worldWithTask({ failure: new ExecError(kind, 'of a reason') });
    expect(await refusal(world)).toEqual({ type, message: expect.stringContaining('of a reason') });
  });
});

describe('enableExecuteCommand', () => {
  it('is kept with the task, whose containers show the agent of commands', async () => {
    const world = await worldWithTask();
    const { tasks } = await world.call('DescribeTasks', { tasks: [world.taskArn] });
    expect(tasks?.[0]).toMatchObject({
      enableExecuteCommand: true,
      containers: [{ managedAgents: [{ name: 'ExecuteCommandAgent', lastStatus: 'RUNNING', lastStartedAt: 5 }] }],
    });
  });

  it('goes to instances whose agent runs commands', async () => {
    const world = await apiWorld();
    await world.instance();
    await world.definition();
    const { tasks, failures } = await world.call('RunTask', { taskDefinition: 'web', enableExecuteCommand: true });
    expect(tasks).toEqual([]);
    expect(JSON.stringify(failures)).toContain(capability.executeCommand);
    expect((await world.call('RunTask', { taskDefinition: 'web' }))['tasks']).toHaveLength(1);
  });

  it('of a service changes without a deployment, and stays when an update says nothing', async () => {
    const world = await worldWithTask();
    const create = { serviceName: 'web', taskDefinition: 'web', desiredCount: 1, enableExecuteCommand: true };
    const { service } = await world.call('CreateService', create);
    expect(service).toMatchObject({ enableExecuteCommand: true });
    const kept = await world.call('UpdateService', { service: 'web', desiredCount: 2 });
    expect(kept['service']).toMatchObject({ enableExecuteCommand: true });
    const off = await world.call('UpdateService', { service: 'web', enableExecuteCommand: false });
    expect(off['service']).toMatchObject({ enableExecuteCommand: false });
    expect(off['service']?.['deployments']).toHaveLength(1);
  });
});
