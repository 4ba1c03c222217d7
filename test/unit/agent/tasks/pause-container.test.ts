/** Tasks whose containers share namespaces: what holds them, when it starts and ends, and what each container is told about them. */
import { describe, expect, it } from 'vitest';
import { containerNamed, type AgentTask } from '#agent/tasks/agent-task.ts';
import { containerSpec } from '#agent/tasks/container-config.ts';
import type { ContainerObservation, ContainerSpec } from '#agent/tasks/container-spec.ts';
import { applyFact } from '#agent/tasks/facts.ts';
import { nextActions, type Situation } from '#agent/tasks/next-actions.ts';
import { pauseContainerName, pauseImage } from '#agent/tasks/pause-container.ts';
import { pauseSpec } from '#agent/tasks/pause-spec.ts';
import { taskSnapshot } from '#agent/tasks/task-state.ts';
import type { TaskDefinitionBody } from '#model/task-definition.ts';
import { anAgentTask, anObservation, type AgentTaskChoices } from '#test/support/builders/an-agent-task.ts';

const now = 5000;
const calm: Situation = {
  busy: new Map(),
  unverified: new Set(),
  retries: new Map(),
  admission: { admitted: true },
  defaultStopTimeout: 30,
  cleanUp: false,
};
const address = {
  network: 'berth-tasks',
  ipv4Address: '10.88.0.2',
  prefixLength: 16,
  gateway: '10.88.0.1',
  macAddress: '02:42:0a:58:00:02',
};

function awsvpc(choices: AgentTaskChoices = {}): AgentTask {
  return anAgentTask({ ...choices, definition: { networkMode: 'awsvpc', ...choices.definition } });
}

function seen(task: AgentTask, container: string, changes: Partial<ContainerObservation> = {}): AgentTask {
  return applyFact(task, { kind: 'observed', container, observation: anObservation(changes) }, now);
}

function pulled(task: AgentTask): AgentTask {
  return task.containers.reduce((one, { name }) => applyFact(one, { kind: 'pulled', container: name }, now), task);
}

function steps(task: AgentTask): string[] {
  return nextActions(task, calm, now).actions.map(
    (action) => `${action.kind} ${'container' in action ? action.container : action.volume}`,
  );
}

function engineNameOf(task: AgentTask, name = pauseContainerName): string {
  return containerNamed(task, name)?.engineName ?? '';
}

function specs(task: AgentTask): { app: ContainerSpec; pause: ContainerSpec } {
  return {
    app: containerSpec(task, 'app', 'machine-1'),
    pause: pauseSpec(task, { machineId: 'machine-1', taskNetwork: 'berth-tasks' }),
  };
}

describe('the pause container', () => {
  it.each<[string, Partial<TaskDefinitionBody>, boolean]>([
    ['awsvpc', { networkMode: 'awsvpc' }, true],
    ['pidMode task', { pidMode: 'task' }, true],
    ['ipcMode task', { ipcMode: 'task' }, true],
    ['pidMode and ipcMode host', { pidMode: 'host', ipcMode: 'host' }, false],
    ['nothing of the kind', {}, false],
  ])('with %s: %s', (_, definition, expected) => {
    expect(containerNamed(anAgentTask({ definition }), pauseContainerName) !== undefined).toBe(expected);
  });

  it('has a name that follows from the task, and leaves the others theirs', () => {
    const containers = [{ name: 'app' }, { name: 'db' }];
    expect(engineNameOf(awsvpc({ containers }))).toMatch(/^ecs-web-3-internalecspause-[0-9a-f]{20}$/);
    expect(engineNameOf(awsvpc({ containers }), 'db')).toBe(engineNameOf(anAgentTask({ containers }), 'db'));
  });

  it('starts before all others, which are pulled meanwhile', () => {
    const task = awsvpc({ containers: [{ name: 'app' }, { name: 'db' }] });
    expect(steps(task)).toEqual(['pull app', 'pull db', `pull ${pauseContainerName}`]);
    expect(steps(pulled(task))).toEqual([`launch ${pauseContainerName}`]);
    expect(steps(seen(pulled(task), pauseContainerName))).toEqual(['launch app', 'launch db']);
  });

  it('ends after all others', () => {
    const running = ['app', pauseContainerName].reduce((task, name) => seen(task, name), pulled(awsvpc()));
    const cause = { stopCode: 'UserInitiated' as const, reason: 'because' };
    const stopping = applyFact(running, { kind: 'stopWanted', assignmentNumber: 2, cause }, now);

    expect(steps(stopping)).toEqual(['stop app']);
    const left = seen(stopping, 'app', { state: 'exited', exitCode: 0 });
    expect(steps(left)).toEqual([`stop ${pauseContainerName}`]);
    expect(left.stoppedAt).toBeUndefined();
    expect(seen(left, pauseContainerName, { state: 'exited', exitCode: 0 }).stoppedAt).toBe(now);
  });

  it('gives the task its address, and is not told of itself', () => {
    const task = seen(pulled(awsvpc()), pauseContainerName, { addresses: [address] });
    const snapshot = taskSnapshot(task, new Map());
    expect(snapshot.networkInterface).toEqual({ privateIpv4Address: '10.88.0.2', macAddress: '02:42:0a:58:00:02' });
    expect(snapshot.containers.map(({ name }) => name)).toEqual(['app']);
  });

  it.each<[string, Partial<ContainerObservation>, string]>([
    ['ends', { state: 'exited', exitCode: 137 }, 'ended: it exited with 137'],
    ['is started again by somebody', { pid: 4321 }, 'was started again from outside'],
  ])('ends the task, with the reason, when it %s', (_, changes, why) => {
    const running = ['app', pauseContainerName].reduce(
      (task, name) => seen(task, name, { pid: 1234 }),
      pulled(awsvpc()),
    );
    const after = seen(running, pauseContainerName, changes);
    expect(after.stop?.stopCode).toBe('EssentialContainerExited');
    expect(after.stop?.reason).toContain('ContainerNetworkingError: the pause container');
    expect(after.stop?.reason).toContain(why);
    expect(steps(after)).toContain('stop app');
  });

  it('fails the task when there is no network for it', () => {
    const error = { kind: 'internal', message: '10.88.0.0/16 overlaps 10.0.0.0/8' };
    const fact = { kind: 'failed', container: pauseContainerName, step: 'network', error } as const;
    const { task } = nextActions(applyFact(pulled(awsvpc()), fact, now), calm, now);
    expect(task.stop).toEqual({
      stopCode: 'TaskFailedToStart',
      reason: 'ContainerNetworkingError: 10.88.0.0/16 overlaps 10.0.0.0/8',
    });
    expect(task.stoppedAt).toBe(now);
  });
});

describe('what a container is told of its namespaces', () => {
  it('in awsvpc, all that belongs to the network goes to the pause container', () => {
    const task = awsvpc({
      containers: [
        {
          name: 'app',
          hostname: 'h',
          dnsServers: ['192.0.2.1'],
          dnsSearchDomains: ['example'],
          extraHosts: [{ hostname: 'x', ipAddress: '192.0.2.2' }],
          systemControls: [
            { namespace: 'net.core.somaxconn', value: '10' },
            { namespace: 'kernel.msgmax', value: '20' },
          ],
          portMappings: [{ containerPort: 80 }],
        },
        { name: 'db', hostname: 'other', dnsServers: ['192.0.2.1', '192.0.2.3'] },
      ],
    });
    const { app, pause } = specs(task);

    expect(pause).toMatchObject({
      image: pauseImage,
      network: { network: 'berth-tasks' },
      hostname: 'h',
      dnsServers: ['192.0.2.1', '192.0.2.3'],
      dnsSearchDomains: ['example'],
      extraHosts: ['x:192.0.2.2'],
      sysctls: { 'net.core.somaxconn': '10' },
      capDrop: ['ALL'],
      readonlyRootFilesystem: true,
    });
    expect(app).toMatchObject({
      network: { container: engineNameOf(task) },
      ports: [],
      dnsServers: [],
      extraHosts: [],
      sysctls: { 'kernel.msgmax': '20' },
    });
    expect(app.hostname).toBeUndefined();
  });

  it('a container without a network has none in awsvpc either', () => {
    const { app } = specs(awsvpc({ containers: [{ name: 'app', disableNetworking: true, hostname: 'h' }] }));
    expect(app).toMatchObject({ network: 'none', hostname: 'h' });
  });

  it('with pidMode and ipcMode task, they are the pause container’s', () => {
    const containers = [
      {
        name: 'app',
        hostname: 'h',
        systemControls: [{ namespace: 'kernel.shmmax', value: '1' }],
        linuxParameters: { sharedMemorySize: 64 },
      },
    ];
    const task = anAgentTask({ containers, definition: { pidMode: 'task', ipcMode: 'task' } });
    const { app, pause } = specs(task);
    const shared = { container: engineNameOf(task) };

    expect(app).toMatchObject({ network: 'bridge', hostname: 'h', pid: shared, ipc: shared, sysctls: {} });
    expect(app.sharedMemoryBytes).toBeUndefined();
    expect(pause).toMatchObject({
      network: 'none',
      ipc: 'shareable',
      sharedMemoryBytes: 64 * 1024 * 1024,
      sysctls: { 'kernel.shmmax': '1' },
    });
    expect(pause.hostname).toBeUndefined();
  });

  it('with pidMode and ipcMode host or none, they are the machine’s or nobody’s', () => {
    const { pid, ipc } = containerSpec(
      anAgentTask({ definition: { pidMode: 'host', ipcMode: 'none' } }),
      'app',
      'machine-1',
    );
    expect({ pid, ipc }).toEqual({ pid: 'host', ipc: 'none' });
  });
});
