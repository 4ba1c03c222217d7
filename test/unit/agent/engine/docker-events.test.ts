import { expect, test } from 'vitest';
import { eventOf } from '#agent/engine/docker-events.ts';

function line(action: string, attributes: Record<string, string> = {}): string {
  const Actor = { ID: 'c0ffee', Attributes: { name: 'web', image: 'web:1', 'a.label': 'x', ...attributes } };
  return JSON.stringify({ Type: 'container', Action: action, Actor, time: 1, timeNano: 1_500_000_000 });
}

const common = { containerId: 'c0ffee', containerName: 'web', labels: { 'a.label': 'x' }, at: 1500 };

test.each([
  ['start', {}, { ...common, action: 'start' }],
  ['die', { exitCode: '137' }, { ...common, action: 'die', exitCode: 137 }],
  ['kill', { signal: '15' }, { ...common, action: 'kill', detail: '15' }],
  ['health_status: unhealthy', {}, { ...common, action: 'health', detail: 'unhealthy' }],
  ['oom', {}, { ...common, action: 'oom' }],
])('%s', (action, attributes, expected) => {
  expect(eventOf(line(action, attributes))).toEqual(expected);
});

test.each([
  line('exec_start: /bin/true'),
  line('attach'),
  '{"Type":"network","Action":"connect","Actor":{"ID":"x"},"time":1}',
  'garbage',
  '{}',
])('says nothing to us: %s', (text) => {
  expect(eventOf(text)).toBeUndefined();
});
