/** The agent's settings: ECS's names and forms, all mistakes at once, no secret told back. */
import { describe, expect, it } from 'vitest';
import { parseDuration, readConfig } from '#agent/config.ts';

const least = { BERTH_AGENT_TOKEN: 'token' };

describe('the way to control', () => {
  const joined = { controlUrl: 'wss://10.0.0.5:4567/agent', cluster: 'home' };
  const joinedIn = (): typeof joined => joined;

  it('of a machine that has joined is over TLS, by its certificate, in the cluster that it has joined', () => {
    expect(readConfig({}, joinedIn)).toMatchObject({ ...joined, credentials: { kind: 'certificate' } });
    const elsewhere = 'wss://control.example:4567/agent';
    expect(readConfig({ BERTH_CONTROL_URL: elsewhere, BERTH_AGENT_TOKEN: 'ignored' }, joinedIn)).toMatchObject({
      controlUrl: elsewhere,
      cluster: 'home',
      credentials: { kind: 'certificate' },
    });
    expect(() => readConfig({ ECS_CLUSTER: 'other' }, joinedIn)).toThrow(
      'ECS_CLUSTER: this machine has joined cluster home, not other',
    );
  });

  it('with a token is to this machine alone, also when it has joined', () => {
    expect(readConfig(least, joinedIn)).toMatchObject({
      controlUrl: 'ws://127.0.0.1:4566/agent',
      cluster: 'default',
      credentials: { kind: 'text' },
    });
  });

  it.each([
    'ws://10.0.0.5:4566/agent',
    'ws://control.example/agent',
    'ws://[2001:db8::1]/agent',
    'ws://127.0.0.1.example/a',
  ])('is not %s: without TLS only this machine may be talked to', (url) => {
    expect(() => readConfig({ ...least, BERTH_CONTROL_URL: url }, joinedIn)).toThrow(
      'BERTH_CONTROL_URL: expected wss:// for another machine',
    );
  });

  it('is an address', () => {
    expect(() => readConfig({ ...least, BERTH_CONTROL_URL: 'nowhere' })).toThrow(
      'BERTH_CONTROL_URL: expected a WebSocket',
    );
  });

  it('over TLS takes a certificate, and the error says how to get one', () => {
    expect(() => readConfig({ ...least, BERTH_CONTROL_URL: joined.controlUrl })).toThrow(
      /^BERTH_CONTROL_URL: over TLS a machine needs a certificate, .* holds none: join it with .*berth instance invite/,
    );
  });
});

describe('settings', () => {
  it('have defaults as ECS has them', () => {
    expect(readConfig(least)).toMatchObject({
      cluster: 'default',
      controlUrl: 'ws://127.0.0.1:4566/agent',
      credentials: { kind: 'text', token: 'token' },
      dataFolder: '/var/lib/berth/agent',
      dockerHost: 'unix:///var/run/docker.sock',
      reservedPorts: [22, 2375, 2376, 51678, 51679].map((port) => ({ port, protocol: 'tcp' })),
      stopTimeoutMs: 30_000,
      startTimeoutMs: 180_000,
      cleanupWaitMs: 3 * 3_600_000,
      pullBehaviour: 'default',
      engineConcurrency: 4,
    });
  });

  it('are read from the environment, empty ones as if they were not there', () => {
    const config = readConfig({
      BERTH_AGENT_TOKEN_FILE: '/run/token',
      BERTH_AGENT_TOKEN: '',
      ECS_CLUSTER: 'home',
      ECS_RESERVED_PORTS: '[80]',
      ECS_RESERVED_PORTS_UDP: '[53]',
      ECS_INSTANCE_ATTRIBUTES: '{"rack":"a"}',
      ECS_CONTAINER_STOP_TIMEOUT: '1m30s',
      ECS_CONTAINER_START_TIMEOUT: '1s',
      ECS_IMAGE_PULL_BEHAVIOR: 'prefer-cached',
      ECS_ENGINE_AUTH_TYPE: 'docker',
      ECS_ENGINE_AUTH_DATA: '{}',
      ECS_LOGLEVEL: 'crit',
    });
    expect(config).toMatchObject({
      credentials: { kind: 'file', path: '/run/token' },
      cluster: 'home',
      reservedPorts: [
        { port: 80, protocol: 'tcp' },
        { port: 53, protocol: 'udp' },
      ],
      attributes: [{ name: 'rack', value: 'a' }],
      stopTimeoutMs: 90_000,
      startTimeoutMs: 45_000,
      pullBehaviour: 'prefer-cached',
      registryAuth: { type: 'docker', data: '{}' },
      logLevel: 'error',
    });
  });

  it('of images to have ahead are a list of references', () => {
    expect(readConfig(least).prepullImages).toEqual([]);
    const given = { ...least, BERTH_PREPULL_IMAGES: '["web:1","registry.example/shop"]' };
    expect(readConfig(given).prepullImages).toEqual(['web:1', 'registry.example/shop']);
    for (const wrong of ['web:1', '["a b"]', '{}']) {
      expect(() => readConfig({ ...least, BERTH_PREPULL_IMAGES: wrong })).toThrow('BERTH_PREPULL_IMAGES: expected');
    }
  });

  it('of the image clean-up are ECS’s, and two marks of the disk', () => {
    expect(readConfig(least).imageCleanup).toEqual({
      intervalMs: 30 * 60_000,
      minimumAgeMs: 3_600_000,
      untrackedMinimumAgeMs: 3_600_000,
      perCycle: 5,
      untracked: false,
      excluded: ['berth/pause:1'],
      diskMarks: { high: 85, low: 80 },
    });
    const given = { ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP: 'true', ECS_EXCLUDE_UNTRACKED_IMAGE: 'mine:1, yours:2' };
    const { imageCleanup } = readConfig({ ...least, ...given });
    expect(imageCleanup).toMatchObject({ untracked: true, excluded: ['berth/pause:1', 'mine:1', 'yours:2'] });
    expect(readConfig({ ...least, ECS_DISABLE_IMAGE_CLEANUP: 'true' }).imageCleanup).toBeUndefined();
    expect(() => readConfig({ ...least, BERTH_IMAGE_DISK_HIGH_PERCENT: '70' })).toThrow(/BERTH_IMAGE_DISK_LOW_PERCENT/);
  });

  it('that are wrong are named, all of them', () => {
    const wrong = { ...least, ECS_CONTAINER_STOP_TIMEOUT: 'soon', ECS_RESERVED_PORTS: '[99999]', DOCKER_HOST: 'here' };
    expect(() => readConfig(wrong)).toThrow(
      /DOCKER_HOST: expected unix.*ECS_RESERVED_PORTS: expected a JSON array.*ECS_CONTAINER_STOP_TIMEOUT: expected a duration/,
    );
  });

  it.each([
    ['no token', {}, /BERTH_AGENT_TOKEN or BERTH_AGENT_TOKEN_FILE/],
    ['credentials without their form', { ...least, ECS_ENGINE_AUTH_DATA: 's3cret' }, /belong together/],
    ['an address that is none', { ...least, BERTH_CONTROL_URL: 'http://x' }, /BERTH_CONTROL_URL: expected a WebSocket/],
  ])('%s is refused', (_, environment, message) => {
    expect(() => readConfig(environment)).toThrow(message);
    expect(() => readConfig(environment)).not.toThrow(/s3cret/);
  });
});

describe('a duration', () => {
  it.each([
    ['30s', 30_000],
    ['1m30s', 90_000],
    ['2h', 7_200_000],
    ['1.5s', 1500],
    ['250ms', 250],
    ['', undefined],
    ['30', undefined],
    ['s', undefined],
    ['-1s', undefined],
  ])('%s is %s ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });
});
