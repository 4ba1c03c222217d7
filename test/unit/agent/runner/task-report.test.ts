import { expect, test } from 'vitest';
import { withPullNews } from '#agent/runner/task-report.ts';
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
