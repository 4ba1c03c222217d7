import { describe, expect, test } from 'vitest';
import { createWaitingReasons, withPullNews } from '#agent/runner/task-report.ts';
import { anAgentTask } from '#test/support/builders/an-agent-task.ts';

const task = anAgentTask({ containers: [{ name: 'app', image: 'web:1' }] });
const news = new Map([['app', '34 % of 81.2 MB']]);

test('a container that waits for its image tells how far the pull has come', () => {
  const told = withPullNews(task, new Map([['app', 'pulling web:1']]), news);
  expect(told).toEqual(new Map([['app', 'pulling web:1: 34 % of 81.2 MB']]));
});

test('one that waits for something else, or not long enough to be told, does not', () => {
  const noRoom = new Map([['app', 'waiting for memory']]);
  expect(withPullNews(task, noRoom, news)).toEqual(noRoom);
  expect(withPullNews(task, new Map(), news)).toEqual(new Map());
});

describe('what a container waits for', () => {
  const ports = new Map([['app', 'waiting for RESOURCE:PORTS']]);
  const asking = new Map([['app', 'asking the engine what runs']]);

  test('is told once it has lasted for a second', () => {
    const reasons = createWaitingReasons();
    expect(reasons.lasting(ports, 5000)).toEqual({ told: new Map(), nextAt: 6000 });
    expect(reasons.lasting(ports, 5999)).toEqual({ told: new Map(), nextAt: 6000 });
    expect(reasons.lasting(ports, 6000)).toEqual({ told: ports });
  });

  test('stays told during a short look at the engine, and is nothing new after it', () => {
    const reasons = createWaitingReasons();
    reasons.lasting(ports, 0);
    reasons.lasting(ports, 1000);
    expect(reasons.lasting(asking, 300_000)).toEqual({ told: ports, nextAt: 301_000 });
    expect(reasons.lasting(ports, 300_030)).toEqual({ told: ports });
  });

  test('gives way to another reason that lasts', () => {
    const reasons = createWaitingReasons();
    reasons.lasting(ports, 0);
    reasons.lasting(ports, 1000);
    reasons.lasting(asking, 2000);
    expect(reasons.lasting(asking, 3000)).toEqual({ told: asking });
  });

  test('is over when it waits no longer', () => {
    const reasons = createWaitingReasons();
    reasons.lasting(ports, 0);
    reasons.lasting(ports, 1000);
    expect(reasons.lasting(new Map(), 2000)).toEqual({ told: new Map() });
    expect(reasons.lasting(ports, 3000)).toEqual({ told: new Map(), nextAt: 4000 });
  });
});
