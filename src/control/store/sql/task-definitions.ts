/** The task definitions, and per family the highest revision it ever had. */
import { sql, type Kysely } from 'kysely';
import type { TaskDefinition } from '#model/task-definition.ts';
import type { ChangeRecorder } from '../change-set.ts';
import type { TaskDefinitionTable } from '../store.ts';
import { decodeDocument } from './documents.ts';
import { rowsForPage, toPage, upsert } from './queries.ts';
import type { Database, TaskDefinitionRow } from './schema.ts';

/** Sorts after every character of a family's name. */
const afterAnyCharacter = '\u{10FFFF}';

export function taskDefinitionTable(db: Kysely<Database>, recorder: ChangeRecorder): TaskDefinitionTable {
  return {
    async get(family, revision) {
      const row = await db
        .selectFrom('task_definitions')
        .selectAll()
        .where('family', '=', family)
        .where('revision', '=', revision)
        .executeTakeFirst();
      return row && fromRow(row);
    },

    async latestActive(family) {
      const row = await db
        .selectFrom('task_definitions')
        .selectAll()
        .where('family', '=', family)
        .where('status', '=', 'ACTIVE')
        .orderBy('revision', 'desc')
        .limit(1)
        .executeTakeFirst();
      return row && fromRow(row);
    },

    async lastRevision(family) {
      const row = await db
        .selectFrom('task_definition_families')
        .select('last_revision')
        .where('family', '=', family)
        .executeTakeFirst();
      return row?.last_revision ?? 0;
    },

    async put(definition) {
      await upsert(db, 'task_definitions', ['family', 'revision'], [toRow(definition)]);
      await db
        .insertInto('task_definition_families')
        .values({ family: definition.family, last_revision: definition.revision })
        .onConflict((conflict) =>
          conflict
            .column('family')
            .doUpdateSet((eb) => ({ last_revision: eb.ref('excluded.last_revision') }))
            .whereRef('excluded.last_revision', '>', 'task_definition_families.last_revision'),
        )
        .execute();
      recorder.taskDefinition(definition.taskDefinitionArn);
    },

    async delete(family, revision) {
      const deleted = await db
        .deleteFrom('task_definitions')
        .where('family', '=', family)
        .where('revision', '=', revision)
        .returning('task_definition_arn')
        .executeTakeFirst();
      if (deleted !== undefined) recorder.taskDefinition(deleted.task_definition_arn);
    },

    async list({ family, status, sort }, page) {
      const direction = sort === 'ASC' ? 'asc' : 'desc';
      let query = db
        .selectFrom('task_definitions')
        .select(['family', 'revision', 'task_definition_arn'])
        .where('status', '=', status)
        .orderBy('family', direction)
        .orderBy('revision', direction)
        .limit(rowsForPage(page));
      if (family !== undefined) query = query.where('family', '=', family);
      if (page.after !== undefined) {
        const after = parseSortKey(page.after);
        query = query.where((eb) =>
          eb(eb.refTuple('family', 'revision'), sort === 'ASC' ? '>' : '<', eb.tuple(after.family, after.revision)),
        );
      }
      return toPage(await query.execute(), page, sortKey, (row) => ({
        family: row.family,
        revision: row.revision,
        taskDefinitionArn: row.task_definition_arn,
      }));
    },

    async families({ prefix, status }, page) {
      let query = db.selectFrom('task_definitions').select('family').groupBy('family').orderBy('family');
      const active = sql<number>`sum(case when status = 'ACTIVE' then 1 else 0 end)`;
      if (status === 'ACTIVE') query = query.having(active, '>', 0);
      if (status === 'INACTIVE') query = query.having(active, '=', 0);
      if (prefix !== undefined) {
        query = query.where('family', '>=', prefix).where('family', '<', prefix + afterAnyCharacter);
      }
      if (page.after !== undefined) query = query.where('family', '>', page.after);
      const rows = await query.limit(rowsForPage(page)).execute();
      return toPage(
        rows,
        page,
        (row) => row.family,
        (row) => row.family,
      );
    },
  };
}

function sortKey({ family, revision }: Pick<TaskDefinitionRow, 'family' | 'revision'>): string {
  return `${family}:${revision}`;
}

function parseSortKey(key: string): { family: string; revision: number } {
  const match = /^(.+):(\d+)$/.exec(key);
  if (match === null) throw new RangeError(`a page of task definitions starts after family:revision, not after ${key}`);
  return { family: match[1] ?? '', revision: Number(match[2]) };
}

function toRow(definition: TaskDefinition): TaskDefinitionRow {
  return {
    family: definition.family,
    revision: definition.revision,
    task_definition_arn: definition.taskDefinitionArn,
    status: definition.status,
    document: JSON.stringify(definition),
  };
}

function fromRow(row: TaskDefinitionRow): TaskDefinition {
  return decodeDocument('task_definitions', sortKey(row), row.document);
}
