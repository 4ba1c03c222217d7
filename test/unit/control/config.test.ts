/** The control service's settings. */
import { describe, expect, test } from 'vitest';
import { ConfigError, readConfig, withArguments } from '#control/config.ts';

describe('the listeners', () => {
  test('are the plain one on a loopback address, and over TLS whichever it is told', () => {
    expect(readConfig({})).not.toHaveProperty('tls');
    expect(
      readConfig({ BERTH_TLS_LISTEN: '0.0.0.0:4567', BERTH_TLS_NAMES: 'berth.example.org, 10.0.0.5' }).tls,
    ).toEqual({
      listen: { host: '0.0.0.0', port: 4567 },
      names: ['berth.example.org', '10.0.0.5'],
    });
  });

  test.each(['0.0.0.0:4566', '10.0.0.5:4566', '[::]:4566', 'berth.example.org:80'])(
    'refuse %s without TLS and name the setting with it',
    (BERTH_LISTEN) => {
      expect(() => readConfig({ BERTH_LISTEN })).toThrow(
        /^BERTH_LISTEN: expected a loopback address.*BERTH_TLS_LISTEN/,
      );
    },
  );

  test('refuse a name that is none', () => {
    expect(() => readConfig({ BERTH_TLS_NAMES: 'https://berth' })).toThrow(/^BERTH_TLS_NAMES: expected names/);
  });
});

describe('without settings', () => {
  test('everything has its documented default', () => {
    expect(readConfig({})).toEqual({
      listen: { host: '127.0.0.1', port: 4566 },
      store: { kind: 'sqlite', path: '/var/lib/berth/control.sqlite' },
      home: '/var/lib/berth',
      realm: { partition: 'aws', region: 'us-east-1', accountId: '000000000000' },
      lostAfterMs: 60_000,
      stoppedTaskRetentionMs: 259_200_000,
      heartbeatIntervalMs: 10_000,
      healthyAfterMs: 40_000,
      logLevel: 'info',
    });
  });

  test('empty ones count as absent', () => {
    expect(readConfig({ BERTH_HOME: '', BERTH_REGION: '' })).toEqual(readConfig({}));
  });
});

describe('settings', () => {
  test('are taken over', () => {
    const config = readConfig({
      BERTH_LISTEN: '[::1]:80',
      BERTH_STORE: 'postgres://user:pass@db/berth',
      BERTH_HOME: '/srv/berth',
      BERTH_REGION: 'eu-central-1',
      BERTH_ACCOUNT_ID: '123456789012',
      BERTH_ADMIN_ACCESS_KEY_ID: 'AKIAEXAMPLE',
      BERTH_ADMIN_SECRET_ACCESS_KEY: 'a secret of some length',
      BERTH_AGENT_TOKEN: 'a token of some length',
      BERTH_LOST_AFTER: '0',
      BERTH_HEARTBEAT_INTERVAL: '0.5',
    });
    expect(config).toMatchObject({
      listen: { host: '::1', port: 80 },
      store: { kind: 'postgres', url: 'postgres://user:pass@db/berth' },
      realm: { region: 'eu-central-1', accountId: '123456789012' },
      adminKey: { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'a secret of some length' },
      agentToken: 'a token of some length',
      lostAfterMs: 0,
      heartbeatIntervalMs: 500,
    });
  });

  test('that are wrong are told all at once, by name, without secrets', () => {
    const wrong = {
      BERTH_LISTEN: 'nowhere',
      BERTH_STORE: 'mysql://root:hunter2@db',
      BERTH_ACCOUNT_ID: '12',
      BERTH_AGENT_TOKEN: 'hunter2',
      BERTH_LOST_AFTER: 'soon',
      BERTH_STOPPED_TASK_RETENTION: '60',
    };
    const read = (): unknown => readConfig(wrong);
    expect(read).toThrow(ConfigError);
    for (const name of Object.keys(wrong)) expect(read).toThrow(`${name}: expected`);
    expect(read).not.toThrow('hunter2');
  });

  test('of an access key come in pairs', () => {
    expect(() => readConfig({ BERTH_ADMIN_ACCESS_KEY_ID: 'AKIAEXAMPLE' })).toThrow('give both or neither');
  });
});

describe('--database', () => {
  const url = 'postgres://berth@db.example.org/berth';

  test.each([[['--database', url]], [[`--database=${url}`]]])('stands for BERTH_STORE: %s', (args) => {
    expect(readConfig(withArguments(args, {})).store).toEqual({ kind: 'postgres', url });
    expect(readConfig(withArguments(args, { BERTH_STORE: url })).store).toEqual({ kind: 'postgres', url });
  });

  test('need not be given', () => {
    expect(withArguments([], { BERTH_HOME: '/srv' })).toEqual({ BERTH_HOME: '/srv' });
  });

  test.each(['postgres://berth:hush@db/berth', 'postgres://db/berth?user=berth&password=hush'])(
    'refuses a password, which `ps` would show, and does not repeat it: %s',
    (text) => {
      expect(() => withArguments(['--database', text], {})).toThrow(/everybody on this machine.*BERTH_STORE/);
      expect(() => withArguments(['--database', text], {})).not.toThrow(/hush/);
    },
  );

  test.each([[['--database']], [['--database', url, 'more']], [['--listen', '0.0.0.0:80']]])(
    'refuses other arguments: %s',
    (args) => {
      expect(() => withArguments(args, {})).toThrow(/no argument but --database URL/);
    },
  );

  test('refuses to choose between two databases', () => {
    expect(() => withArguments(['--database', url], { BERTH_STORE: 'sqlite:/srv/x' })).toThrow(/BERTH_STORE says/);
  });
});
