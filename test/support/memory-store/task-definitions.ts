/** The task definitions in memory, and per family the highest revision it ever had. */
import type { ChangeRecorder } from '#control/store/change-set.ts';
import { rowsForPage, toPage } from '#control/store/sql/queries.ts';
import type { TaskDefinitionTable } from '#control/store/store.ts';
import type { TaskDefinition } from '#model/task-definition.ts';
import { compareKeys, Rows, type UndoLog } from './rows.ts';

interface Place {
  readonly family: string;
  readonly revision: number;
}

export function taskDefinitionTable(undo: UndoLog, recorder: ChangeRecorder): TaskDefinitionTable {
  const rows = new Rows<TaskDefinition>(undo);
  const families = new Rows<{ lastRevision: number }>(undo);
  return {
    get: (family, revision) => Promise.resolve(rows.get(nameOf({ family, revision }))),
    latestActive(family) {
      const active = [...rows.values()].filter((each) => each.family === family && each.status === 'ACTIVE');
      return Promise.resolve(active.toSorted((a, b) => b.revision - a.revision)[0]);
    },
    lastRevision: (family) => Promise.resolve(families.get(family)?.lastRevision ?? 0),
    put(definition) {
      const { family, revision } = definition;
      rows.put(nameOf(definition), definition);
      families.put(family, { lastRevision: Math.max(revision, families.get(family)?.lastRevision ?? 0) });
      recorder.taskDefinition(definition.taskDefinitionArn);
      return Promise.resolve();
    },
    delete(family, revision) {
      const deleted = rows.delete(nameOf({ family, revision }));
      if (deleted !== undefined) recorder.taskDefinition(deleted.taskDefinitionArn);
      return Promise.resolve();
    },
    list({ family, status, sort }, page) {
      const direction = sort === 'ASC' ? 1 : -1;
      const after = page.after === undefined ? undefined : placeOf(page.after);
      const found = [...rows.values()]
        .filter(
          (each) =>
            each.status === status &&
            (family === undefined || each.family === family) &&
            (after === undefined || direction * comparePlaces(each, after) > 0),
        )
        .toSorted((a, b) => direction * comparePlaces(a, b));
      const item = ({ family: name, revision, taskDefinitionArn }: TaskDefinition) => ({
        family: name,
        revision,
        taskDefinitionArn,
      });
      return Promise.resolve(toPage(found.slice(0, rowsForPage(page)), page, nameOf, item));
    },
    families({ prefix = '', status }, page) {
      const active = new Map<string, boolean>();
      for (const each of rows.values()) {
        active.set(each.family, active.get(each.family) === true || each.status === 'ACTIVE');
      }
      const names = [...active]
        .filter(
          ([name, isActive]) => name.startsWith(prefix) && (status === 'ALL' || isActive === (status === 'ACTIVE')),
        )
        .map(([name]) => name)
        .filter((name) => page.after === undefined || name > page.after)
        .toSorted(compareKeys);
      return Promise.resolve(toPage(names.slice(0, rowsForPage(page)), page, same, same));
    },
  };
}

function comparePlaces(one: Place, other: Place): number {
  return compareKeys(one.family, other.family) || one.revision - other.revision;
}

function nameOf({ family, revision }: Place): string {
  return `${family}:${revision}`;
}

function placeOf(name: string): Place {
  const match = /^(.+):(\d+)$/.exec(name);
  if (match === null)
    throw new RangeError(`a page of task definitions starts after family:revision, not after ${name}`);
  return { family: match[1] ?? '', revision: Number(match[2]) };
}

function same<T>(value: T): T {
  return value;
}
