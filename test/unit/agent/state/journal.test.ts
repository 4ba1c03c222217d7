/** The journal, and its stand-in in memory: what is saved survives, numbers only grow, damage is put aside, two agents never share it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededIds } from '#lib/ids.ts';
import { silentLogger } from '#lib/logger.ts';
import { seededRandom } from '#lib/random.ts';
import type { Assignment } from '#protocol/session/messages.ts';
import { openJournal, type Journal } from '#agent/state/journal.ts';
import { machineIdIn } from '#agent/state/machine-id.ts';
import { applyFact } from '#agent/tasks/facts.ts';
import { taskSnapshot } from '#agent/tasks/task-state.ts';
import { createMemoryJournal } from '#test/support/memory-journal.ts';
import { anObservation } from '#test/support/builders/an-agent-task.ts';

let folder: string;
let opened: Journal[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-journal-'));
  opened = [];
});

afterEach(() => {
  for (const journal of opened) journal.close();
  rmSync(folder, { recursive: true });
});

function open(): Journal {
  const journal = openJournal({
    path: join(folder, 'journal.sqlite'),
    machineId: 'machine-1',
    logger: silentLogger,
    now: 5,
  });
  opened.push(journal);
  return journal;
}

function reopen(journal: Journal): Journal {
  opened.splice(opened.indexOf(journal), 1);
  journal.close();
  return open();
}

const definitionArn = 'arn:aws:ecs:us-east-1:000000000000:task-definition/web:1';
const definitions = { [definitionArn]: { family: 'web', containerDefinitions: [{ name: 'app', image: 'i' }] } };

function arn(id: number): string {
  return `arn:aws:ecs:us-east-1:000000000000:task/default/${id.toString(16).padStart(32, '0')}`;
}

function assignment(id: number, changes: Partial<Assignment> = {}): Assignment {
  return {
    taskArn: arn(id),
    clusterName: 'default',
    desiredStatus: 'RUNNING',
    taskDefinitionArn: definitionArn,
    family: 'web',
    revision: 1,
    group: 'family:web',
    launchType: 'EC2',
    gpuIds: [],
    createdAt: 1,
    containers: [{ name: 'app', containerArn: 'arn:c' }],
    overrides: {},
    ...changes,
  };
}

const stop = { stopCode: 'UserInitiated', reason: 'enough' } as const;

function report(journal: Journal, id: number): number {
  const task = journal.tasks().find((candidate) => candidate.assignment.taskArn === arn(id));
  if (task === undefined) throw new Error('no such task');
  journal.saveTask(task, taskSnapshot(task, new Map()));
  return journal.lastSnapshot(arn(id))?.number ?? 0;
}

/** The one of the simulation outlives its agent as it is. */
const kinds: readonly { name: string; open(): Journal; reopen(journal: Journal): Journal }[] = [
  { name: 'in a file', open, reopen },
  { name: 'in memory', open: () => createMemoryJournal('machine-1'), reopen: (journal) => journal },
];

describe.each(kinds)('in the journal $name', (kind) => {
  describe('assignments', () => {
    it('survive, with the names of their containers', () => {
      const journal = kind.open();
      journal.saveAssignments({ number: 7, tasks: [assignment(1)], definitions });
      const [before] = journal.tasks();
      const after = kind.reopen(journal);
      expect(after.tasks()).toEqual([before]);
      expect(before?.containers[0]?.engineName).toMatch(/^ecs-web-1-app-/);
      expect(after.assignmentNumber()).toBe(7);
      expect(after.knownTasks()).toEqual([
        { taskArn: arn(1), desiredStatus: 'RUNNING', assignmentNumber: 7, ended: false },
      ]);
    });

    it('may come again and in any order: only RUNNING to STOPPED changes a task, and the number only grows', () => {
      const journal = kind.open();
      const stopped = assignment(1, { desiredStatus: 'STOPPED', stop });
      journal.saveAssignments({ number: 7, tasks: [stopped], definitions });
      journal.saveAssignments({ number: 6, tasks: [assignment(1)], definitions });
      journal.saveAssignments({ number: 7, tasks: [stopped], definitions });
      expect(journal.knownTasks()).toEqual([
        { taskArn: arn(1), desiredStatus: 'STOPPED', assignmentNumber: 7, ended: false },
      ]);
      expect(journal.assignmentNumber()).toBe(7);
      expect(journal.tasks()[0]?.stop).toEqual(stop);
    });

    it('are told once, stops first, after they are saved', () => {
      const journal = kind.open();
      journal.saveAssignments({ number: 1, tasks: [assignment(1)], definitions });
      const told: string[] = [];
      journal.subscribe({
        added: (task) =>
          told.push(`added ${journal.tasks().some((saved) => saved.assignment.taskArn === task.assignment.taskArn)}`),
        stopWanted: (_, number, cause) => told.push(`stop ${number} ${cause.reason}`),
      });
      const update = {
        number: 2,
        tasks: [assignment(2), assignment(1, { desiredStatus: 'STOPPED', stop })],
        definitions,
      };
      journal.saveAssignments(update);
      journal.saveAssignments(update);
      expect(told).toEqual(['stop 2 enough', 'added true']);
    });

    it('that cannot be read become tasks that are over, with the reason', () => {
      const journal = kind.open();
      journal.saveAssignments({ number: 1, tasks: [assignment(1)], definitions: { [definitionArn]: { family: 3 } } });
      expect(journal.tasks()[0]?.stop?.reason).toMatch(/^UnrecognizedTaskError: the task definition .* cannot be read/);
    });

    it('confirmed to stop are stopped', () => {
      const journal = kind.open();
      journal.saveAssignments({ number: 1, tasks: [assignment(1), assignment(2)], definitions });
      journal.confirmStops(5, [arn(1), arn(9)]);
      expect(journal.knownTasks().map(({ desiredStatus }) => desiredStatus)).toEqual(['STOPPED', 'RUNNING']);
      expect(journal.assignmentNumber()).toBe(5);
    });
  });

  describe('state changes', () => {
    it('are numbered over all tasks and restarts, newest of each task only', () => {
      let journal = kind.open();
      journal.saveAssignments({ number: 1, tasks: [assignment(1), assignment(2)], definitions });
      expect([report(journal, 1), report(journal, 2), report(journal, 1)]).toEqual([1, 2, 3]);
      journal = kind.reopen(journal);
      expect(report(journal, 2)).toBe(4);
      expect(journal.pendingStateChanges(10).map(({ number, taskArn }) => [number, taskArn])).toEqual([
        [3, arn(1)],
        [4, arn(2)],
      ]);
      expect(journal.pendingStateChanges(1)).toHaveLength(1);
    });

    it('are acknowledged by their number or a higher one', () => {
      const journal = kind.open();
      journal.saveAssignments({ number: 1, tasks: [assignment(1)], definitions });
      report(journal, 1);
      report(journal, 1);
      const told: string[] = [];
      journal.subscribe({ acknowledged: (taskArn) => told.push(taskArn) });
      journal.acknowledge([{ taskArn: arn(1), number: 1 }]);
      expect(journal.pendingStateChanges(10)).toHaveLength(1);
      journal.acknowledge([{ taskArn: arn(1), number: 2 }]);
      journal.acknowledge([{ taskArn: arn(1), number: 2 }]);
      expect(journal.pendingStateChanges(10)).toEqual([]);
      expect(journal.isAcknowledged(arn(1))).toBe(true);
      expect(told).toEqual([arn(1)]);
    });

    it('are sent again when control lost them', () => {
      const journal = kind.open();
      journal.saveAssignments({ number: 1, tasks: [assignment(1)], definitions });
      report(journal, 1);
      journal.acknowledge([{ taskArn: arn(1), number: 1 }]);
      journal.compareStateChanges([{ taskArn: arn(1), stateChangeNumber: 1 }]);
      expect(journal.pendingStateChanges(10)).toEqual([]);
      journal.compareStateChanges([{ taskArn: arn(1), stateChangeNumber: 0 }]);
      expect(journal.pendingStateChanges(10).map(({ number }) => number)).toEqual([1]);
    });

    it('take numbers above everything control has seen when this journal is the older one', () => {
      const journal = kind.open();
      journal.saveAssignments({ number: 1, tasks: [assignment(1), assignment(2)], definitions });
      report(journal, 1);
      journal.compareStateChanges([
        { taskArn: arn(1), stateChangeNumber: 40 },
        { taskArn: arn(2), stateChangeNumber: 50 },
      ]);
      expect(journal.pendingStateChanges(10).map(({ number }) => number)).toEqual([51]);
      expect(report(journal, 2)).toBe(52);
    });

    it('end with a task that is forgotten', () => {
      const journal = kind.open();
      journal.saveAssignments({ number: 1, tasks: [assignment(1)], definitions });
      report(journal, 1);
      journal.forgetTask(arn(1));
      expect(journal.pendingStateChanges(10)).toEqual([]);
      expect(journal.tasks()).toEqual([]);
    });
  });

  describe('a task', () => {
    it('comes back as it was saved', () => {
      const journal = kind.open();
      journal.saveAssignments({ number: 1, tasks: [assignment(1)], definitions });
      const [task] = journal.tasks();
      if (task === undefined) throw new Error('no task');
      const observation = anObservation({ networkBindings: [{ containerPort: 80, hostPort: 1 }] });
      const running = applyFact(task, { kind: 'observed', container: 'app', observation }, 9);
      journal.saveTask(running);
      expect(kind.reopen(journal).tasks()).toEqual([running]);
    });
  });

  describe('images', () => {
    it('that were pulled here are remembered with their last use; others are not', () => {
      const journal = kind.open();
      journal.images.pulled('sha256:a', 10);
      journal.images.pulled('sha256:b', 11);
      journal.images.used(['sha256:a', 'sha256:foreign'], 20);
      journal.images.forget('sha256:b');
      expect(kind.reopen(journal).images.all()).toEqual([{ imageId: 'sha256:a', pulledAt: 10, usedAt: 20 }]);
    });
  });
});

describe('the file', () => {
  it("is its owner's alone", () => {
    open();
    expect(statSync(join(folder, 'journal.sqlite')).mode & 0o777).toBe(0o600);
  });

  it('keeps who the machine is', () => {
    const journal = open();
    journal.saveRegistration({ containerInstanceArn: 'arn:i', cluster: 'c', region: 'r', accountId: 'a' });
    const after = reopen(journal);
    expect(after.identity()).toEqual({ machineId: 'machine-1', containerInstanceArn: 'arn:i' });
    expect(after.registration()).toEqual({ containerInstanceArn: 'arn:i', cluster: 'c', region: 'r', accountId: 'a' });
  });

  it('is refused to a second agent, with what to do', () => {
    open();
    expect(() => open()).toThrow(/another agent uses .*journal\.sqlite; stop it first.*ECS_DATADIR/);
  });

  it.each([
    ['is no database', (path: string) => writeFileSync(path, 'x'.repeat(8192))],
    [
      'holds a task that makes no sense',
      (path: string) => {
        const database = new DatabaseSync(path);
        database.exec(`UPDATE tasks SET state = '{"contai'`);
        database.close();
      },
    ],
    [
      'has a broken page',
      (path: string) => {
        const bytes = readFileSync(path);
        bytes.fill(0xff, 4096, 12_000);
        writeFileSync(path, bytes);
      },
    ],
  ])('that %s is put aside and begun anew', (_, damage) => {
    const journal = open();
    journal.saveAssignments({ number: 3, tasks: [assignment(1)], definitions });
    opened.splice(0);
    journal.close();
    damage(join(folder, 'journal.sqlite'));
    const after = open();
    expect(after.isRebuilt).toBe(true);
    expect(readdirSync(folder)).toContain('journal.sqlite.damaged-5');
    expect(after.tasks()).toEqual([]);
    expect(after.assignmentNumber()).toBe(0);
    expect(after.identity().machineId).toBe('machine-1');
  });

  it('of a newer agent is left alone', () => {
    const journal = open();
    opened.splice(0);
    journal.close();
    const database = new DatabaseSync(join(folder, 'journal.sqlite'));
    database.exec('PRAGMA user_version = 99');
    database.close();
    expect(() => open()).toThrow(/written by a newer agent \(schema 99/);
  });
});

describe("the machine's identity", () => {
  it('is made once', () => {
    const { machineId, isKnown } = machineIdIn(folder, seededIds(seededRandom(1)));
    expect(isKnown).toBe(false);
    expect(machineIdIn(folder, seededIds(seededRandom(2)))).toEqual({ machineId, isKnown: true });
    expect(statSync(join(folder, 'machine-id')).mode & 0o777).toBe(0o600);
  });
});
