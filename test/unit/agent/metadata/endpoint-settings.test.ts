import { expect, test } from 'vitest';
import { readConfig } from '#agent/config.ts';

const settingsOf = (environment: NodeJS.ProcessEnv) =>
  readConfig({ BERTH_AGENT_TOKEN: 'token', ...environment }).localEndpoints;

test('local endpoints are where ECS has them', () => {
  expect(settingsOf({})).toEqual({
    metadataAddress: '169.254.170.2',
    rateLimit: { perSecond: 40, burst: 60 },
    introspectionPort: 51_678,
    introspectionOffHost: false,
  });
});

test('they can be put elsewhere, or nowhere', () => {
  const elsewhere = settingsOf({
    BERTH_METADATA_ADDRESS: '169.254.1.1',
    BERTH_INTROSPECTION_PORT: '0',
    ECS_TASK_METADATA_RPS_LIMIT: '5,5',
    ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS: 'true',
  });
  expect(elsewhere).toEqual({
    metadataAddress: '169.254.1.1',
    rateLimit: { perSecond: 5, burst: 5 },
    introspectionPort: 0,
    introspectionOffHost: true,
  });
  expect(settingsOf({ BERTH_METADATA_ADDRESS: 'none' }).metadataAddress).toBeUndefined();
});

test.each([
  ['BERTH_METADATA_ADDRESS', '10.0.0.1'],
  ['BERTH_METADATA_ADDRESS', 'eth0'],
  ['BERTH_INTROSPECTION_PORT', '70000'],
  ['ECS_TASK_METADATA_RPS_LIMIT', '40'],
  ['ECS_TASK_METADATA_RPS_LIMIT', '60,40'],
  ['ECS_TASK_METADATA_RPS_LIMIT', '0,0'],
  ['ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS', 'yes'],
])('%s is not %s', (name, value) => {
  expect(() => settingsOf({ [name]: value })).toThrow(name);
});
