/** A journal cut at any length, or overwritten anywhere: it is either put aside or whole, and whatever it holds can be used. */
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  readFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openJournal, type Journal } from '#agent/state/journal.ts';
import { taskSnapshot } from '#agent/tasks/task-state.ts';
import { silentLogger } from '#lib/logger.ts';
import { int, seededRandom, type Random } from '#lib/random.ts';
import { anAssignment } from '#test/support/fake-control.ts';

const blockBytes = 512;
/** Pages have 4096. */
const stepBytes = 2048;
let folder = '';
let whole = '';
let length = 0;
let unharmed = '';

function open(path: string): Journal {
  return openJournal({ path, machineId: 'machine', machineIsKnown: true, logger: silentLogger, now: 1 });
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-journal-'));
  whole = join(folder, 'whole.sqlite');
  const journal = open(whole);
  for (let number = 1; number <= 12; number++) {
    const taskArn = `arn:aws:ecs:us-east-1:000000000000:task/default/${number.toString(16).padStart(32, '0')}`;
    const assignment = anAssignment({ taskArn });
    const containerDefinitions = [
      { name: 'main', image: 'busybox', environment: [{ name: 'N', value: String(number) }] },
    ];
    const definitions = { [assignment.taskDefinitionArn]: { family: 'web', containerDefinitions } };
    journal.saveAssignments({ number, tasks: [assignment], definitions });
    for (const task of journal.tasks()) journal.saveTask(task, taskSnapshot(task, new Map()));
  }
  journal.saveRegistration({ containerInstanceArn: 'arn:instance', cluster: 'default', region: 'r', accountId: 'a' });
  unharmed = JSON.stringify(contentOf(journal));
  journal.close();
  length = statSync(whole).size;
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Everything the agent asks of it at its start and in a session. */
function contentOf(journal: Journal): unknown {
  const tasks = journal.tasks();
  return {
    tasks,
    known: journal.knownTasks(),
    pending: journal.pendingStateChanges(1000),
    snapshots: tasks.map(({ assignment }) => journal.lastSnapshot(assignment.taskArn)),
    numbers: [journal.assignmentNumber(), journal.identity().machineId, journal.registration()],
    images: journal.images.all(),
  };
}

function expectUsable(damage: (path: string) => void): 'whole' | 'anew' | 'changed' {
  const path = join(folder, 'damaged.sqlite');
  for (const name of readdirSync(folder)) if (name.startsWith('damaged')) rmSync(join(folder, name));
  copyFileSync(whole, path);
  damage(path);
  const journal = open(path);
  try {
    const content = JSON.stringify(contentOf(journal));
    // It can be written to as well.
    journal.saveAssignments({ number: 99, tasks: [anAssignment({ taskArn: 'arn:new' })], definitions: {} });
    expect(journal.identity().machineId).toBe('machine');
    if (journal.isRebuilt) return 'anew';
    return content === unharmed ? 'whole' : 'changed';
  } finally {
    journal.close();
  }
}

it('cut at any length is begun anew', () => {
  for (let bytes = 0; bytes < length; bytes += stepBytes) {
    expect(
      expectUsable((path) => truncateSync(path, bytes)),
      `cut to ${bytes} of ${length}`,
    ).toBe('anew');
  }
});

it('overwritten anywhere is begun anew, unless nothing that counts was hit', () => {
  const random = seededRandom(7);
  const outcomes = new Map<string, number>();
  for (let at = 0; at < length; at += stepBytes / 2) {
    const outcome = expectUsable((path) => writeGarbage(path, at, random));
    expect(outcome, `garbage at ${at} of ${length}`).not.toBe('changed');
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  expect(outcomes.get('anew')).toBeGreaterThan(0);
});

function writeGarbage(path: string, at: number, random: Random): void {
  const bytes = readFileSync(path);
  for (let offset = at; offset < Math.min(at + blockBytes, bytes.length); offset++) bytes[offset] = int(random, 0, 255);
  writeFileSync(path, bytes);
}
