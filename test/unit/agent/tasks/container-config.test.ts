/** What ECS fills in, forces and limits when a container definition becomes an engine's container. */
import { describe, expect, it } from 'vitest';
import { containerSpec } from '#agent/tasks/container-config.ts';
import type { ContainerSpec } from '#agent/tasks/container-spec.ts';
import { anAgentTask, someTaskArn, type AgentTaskChoices } from '#test/support/builders/an-agent-task.ts';

const mebibyte = 1024 * 1024;

function specOf(choices: AgentTaskChoices = {}, name = 'app'): ContainerSpec {
  return containerSpec(anAgentTask(choices), name, 'machine-1');
}

type Container = NonNullable<AgentTaskChoices['containers']>[number];

function specWith(container: Omit<Container, 'name'>, rest: AgentTaskChoices = {}): ContainerSpec {
  return specOf({ ...rest, containers: [{ name: 'app', ...container }] });
}

describe('a container', () => {
  it('is named after family, revision, itself and its task', () => {
    expect(specOf({ containers: [{ name: 'my_app-1' }] }, 'my_app-1').name).toMatch(/^ecs-web-3-myapp-1-[0-9a-f]{20}$/);
  });

  it('has names that differ where reduced names clash', () => {
    const containers = [{ name: 'a_b' }, { name: 'ab' }];
    expect(specOf({ containers }, 'a_b').name).not.toBe(specOf({ containers }, 'ab').name);
  });

  it("carries the user's labels under ECS's own and the machine's", () => {
    const labels = { team: 'shop', 'com.amazonaws.ecs.task-arn': 'forged' };
    expect(specWith({ dockerLabels: labels }).labels).toEqual({
      team: 'shop',
      'com.amazonaws.ecs.task-arn': someTaskArn,
      'com.amazonaws.ecs.container-name': 'app',
      'com.amazonaws.ecs.task-definition-family': 'web',
      'com.amazonaws.ecs.task-definition-version': '3',
      'com.amazonaws.ecs.cluster': 'default',
      'berth.machine-id': 'machine-1',
    });
  });

  it('gets its variables, overridden in place, and what ECS injects unless it is set', () => {
    const spec = specWith(
      {
        environment: [
          { name: 'A', value: '1' },
          { name: 'AWS_REGION', value: 'eu-west-1' },
        ],
      },
      {
        overrides: {
          containerOverrides: [
            {
              name: 'app',
              environment: [
                { name: 'A', value: '2' },
                { name: 'B', value: '3' },
              ],
            },
          ],
        },
      },
    );
    expect(spec.environment).toEqual([
      'A=2',
      'AWS_REGION=eu-west-1',
      'B=3',
      'AWS_EXECUTION_ENV=AWS_ECS_EC2',
      'AWS_DEFAULT_REGION=us-east-1',
    ]);
  });

  it.each([
    [undefined, 2],
    [0, 2],
    [1, 2],
    [512, 512],
    [1_000_000, 262_144],
  ])('of %s CPU units has %s shares', (cpu, shares) => {
    expect(specWith(cpu === undefined ? {} : { cpu }).cpuShares).toBe(shares);
  });

  it('has its own limits, never below 6 MiB', () => {
    const spec = specWith({ memory: 4, memoryReservation: 128 });
    expect(spec.memoryBytes).toBe(6 * mebibyte);
    expect(spec.memoryReservationBytes).toBe(128 * mebibyte);
  });

  it("may use the task's memory when it has no limit of its own", () => {
    expect(specWith({}, { definition: { memory: '1 GB' } }).memoryBytes).toBe(1024 * mebibyte);
    expect(specWith({}, { definition: { memory: '512' }, overrides: { memory: '256' } }).memoryBytes).toBe(
      256 * mebibyte,
    );
    expect(specWith({}).memoryBytes).toBeUndefined();
  });

  it('may swap as far as it was allowed to', () => {
    const linuxParameters = { maxSwap: 64, swappiness: 10 };
    expect(specWith({ memory: 64, linuxParameters })).toMatchObject({
      memorySwapBytes: 128 * mebibyte,
      memorySwappiness: 10,
    });
    expect(specWith({ memory: 64, linuxParameters: { swappiness: 10 } }).memorySwappiness).toBeUndefined();
  });

  it('publishes ports on the bridge only', () => {
    const portMappings = [{ containerPort: 80 }, { containerPort: 53, hostPort: 5353, protocol: 'udp' as const }];
    expect(specWith({ portMappings }).ports).toEqual([
      { containerPort: 80, hostPort: 0, protocol: 'tcp' },
      { containerPort: 53, hostPort: 5353, protocol: 'udp' },
    ]);
    const host = specWith({ portMappings }, { definition: { networkMode: 'host' } });
    expect(host).toMatchObject({ network: 'host', ports: [] });
    expect(specWith({ disableNetworking: true }).network).toBe('none');
  });

  it('mounts host paths, volumes of its task, shared volumes and memory', () => {
    const at = (sourceVolume: string) => ({ sourceVolume, containerPath: `/${sourceVolume}` });
    const spec = specWith(
      {
        mountPoints: [at('path'), at('own'), { ...at('shared'), readOnly: true }],
        linuxParameters: { tmpfs: [{ containerPath: '/tmp', size: 8 }] },
      },
      {
        definition: {
          volumes: [
            { name: 'path', host: { sourcePath: '/srv' } },
            { name: 'own', host: {} },
            { name: 'shared', dockerVolumeConfiguration: { scope: 'shared' } },
          ],
        },
      },
    );
    expect(spec.mounts).toEqual([
      { kind: 'bind', source: '/srv', target: '/path', readOnly: false },
      { kind: 'volume', source: expect.stringMatching(/^ecs-web-3-own-/), target: '/own', readOnly: false },
      { kind: 'volume', source: 'shared', target: '/shared', readOnly: true },
      { kind: 'tmpfs', target: '/tmp', readOnly: false, tmpfsSizeBytes: 8 * mebibyte },
    ]);
  });

  it('names other containers of its task as the engine knows them', () => {
    const containers = [
      { name: 'db' },
      { name: 'app', links: ['db:database', 'db'], volumesFrom: [{ sourceContainer: 'db', readOnly: true }] },
    ];
    const db = specOf({ containers }, 'db').name;
    expect(specOf({ containers })).toMatchObject({ links: [`${db}:database`, `${db}:db`], volumesFrom: [`${db}:ro`] });
  });

  it("has no health check unless the definition has one, with ECS's defaults", () => {
    expect(specWith({}).healthCheck).toBe('none');
    expect(specWith({ healthCheck: { command: ['CMD', 'true'], retries: 5 } }).healthCheck).toEqual({
      test: ['CMD', 'true'],
      intervalMs: 30_000,
      timeoutMs: 5000,
      retries: 5,
      startPeriodMs: 0,
    });
  });

  it('does not lose lines of a non-blocking log for want of a buffer', () => {
    const logConfiguration = { logDriver: 'json-file' as const, options: { mode: 'non-blocking' } };
    expect(specWith({ logConfiguration })).toMatchObject({
      logDriver: 'json-file',
      logOptions: { mode: 'non-blocking', 'max-buffer-size': '10m' },
    });
  });

  it('takes the command of its override', () => {
    const overrides = { containerOverrides: [{ name: 'app', command: ['b'] }] };
    expect(specWith({ command: ['a'] }, { overrides }).command).toEqual(['b']);
  });
});

it('the image is asked for at the digest it is pinned to, under the name it has', () => {
  const task = anAgentTask({ containers: [{ name: 'app', image: 'registry.example:5000/shop/web:1' }] });
  const digest = `sha256:${'7'.repeat(64)}`;
  const containers = [{ name: 'app', containerArn: 'arn', pinnedDigest: digest }];
  const pinned = { ...task, assignment: { ...task.assignment, containers } };
  expect(containerSpec(task, 'app', 'm').image).toBe('registry.example:5000/shop/web:1');
  expect(containerSpec(pinned, 'app', 'm').image).toBe(`registry.example:5000/shop/web@${digest}`);
});
