import type Docker from 'dockerode';
import { describe, expect, test } from 'vitest';
import { observationOf } from '#agent/engine/docker-observation.ts';

type Inspection = Docker.ContainerInspectInfo;
type Ports = Inspection['NetworkSettings']['Ports'];

const state: Inspection['State'] = {
  Status: 'running',
  Running: true,
  Paused: false,
  Restarting: false,
  OOMKilled: false,
  Dead: false,
  Pid: 1,
  ExitCode: 0,
  Error: '',
  StartedAt: '2026-01-01T00:00:02.5Z',
  FinishedAt: '0001-01-01T00:00:00Z',
};

/** Only what is looked at. */
function inspection(changed: Partial<Inspection['State']>, ports: Ports = {}): Inspection {
  const seen: Pick<Inspection, 'Id' | 'Name' | 'Created' | 'Image'> & {
    State: Inspection['State'];
    Config: Pick<Inspection['Config'], 'Labels'>;
    NetworkSettings: Pick<Inspection['NetworkSettings'], 'Ports'>;
  } = {
    Id: 'c0ffee',
    Name: '/web',
    Created: '2026-01-01T00:00:01Z',
    Image: 'sha256:1',
    State: { ...state, ...changed },
    Config: { Labels: { a: 'b' } },
    NetworkSettings: { Ports: ports },
  };
  return JSON.parse(JSON.stringify(seen));
}

const at = (seconds: number): number => Date.UTC(2026, 0, 1, 0, 0, 0) + seconds * 1000;

test('a running container', () => {
  expect(observationOf(inspection({}))).toEqual({
    id: 'c0ffee',
    name: 'web',
    labels: { a: 'b' },
    state: 'running',
    oomKilled: false,
    createdAt: at(1),
    startedAt: at(2.5),
    health: 'UNKNOWN',
    imageId: 'sha256:1',
    networkBindings: [],
    pid: 1,
  });
});

test('a container that is being removed tells its exit code only when it has run', () => {
  expect(observationOf(inspection({ Status: 'removing', Running: false, ExitCode: 137 }))).toMatchObject({
    state: 'removing',
    exitCode: 137,
  });
  const neverStarted = { Status: 'removing', Running: false, StartedAt: '0001-01-01T00:00:00Z' };
  expect(observationOf(inspection(neverStarted))).not.toHaveProperty('exitCode');
});

test('a running container does not speak of the end of its run before', () => {
  expect(observationOf(inspection({ FinishedAt: '2026-01-01T00:00:02Z', ExitCode: 3 }))).not.toHaveProperty(
    'finishedAt',
  );
});

test('an ended container never ended before it began', () => {
  const ended = inspection({ Status: 'exited', ExitCode: 3, FinishedAt: '2026-01-01T00:00:02.499Z' });
  expect(observationOf(ended)).toMatchObject({ state: 'exited', exitCode: 3, startedAt: at(2.5), finishedAt: at(2.5) });
});

test('a container that failed to start has an error and its exit code, one that was only created has neither', () => {
  const never = { Status: 'created', StartedAt: '0001-01-01T00:00:00Z' };
  expect(observationOf(inspection({ ...never, ExitCode: 127, Error: 'no such file' }))).toMatchObject({
    state: 'created',
    exitCode: 127,
    error: 'no such file',
  });
  const created = observationOf(inspection(never));
  expect(created).not.toHaveProperty('exitCode');
  expect(created).not.toHaveProperty('startedAt');
});

test.each([
  ['healthy', 'HEALTHY'],
  ['unhealthy', 'UNHEALTHY'],
  ['starting', 'UNKNOWN'],
  ['none', 'UNKNOWN'],
])('health %s is %s', (Status, expected) => {
  const Health = { Status, FailingStreak: 0, Log: [] };
  expect(observationOf(inspection({ Health })).health).toBe(expected);
});

describe('port bindings', () => {
  test('of IPv6 are hidden beside those of IPv4, and kept where they are alone', () => {
    const ports: Ports = {
      '80/tcp': [
        { HostIp: '0.0.0.0', HostPort: '32768' },
        { HostIp: '::', HostPort: '32769' },
      ],
      '53/udp': [{ HostIp: '::', HostPort: '53' }],
    };
    expect(observationOf(inspection({}, ports)).networkBindings).toEqual([
      { bindIP: '::', containerPort: 53, hostPort: 53, protocol: 'udp' },
      { bindIP: '0.0.0.0', containerPort: 80, hostPort: 32_768, protocol: 'tcp' },
    ]);
  });

  test('that the image exposes but nobody bound are none', () => {
    const seen = inspection({}, {});
    Object.assign(seen.NetworkSettings, { Ports: { '80/tcp': null } });
    expect(observationOf(seen).networkBindings).toEqual([]);
  });
});
