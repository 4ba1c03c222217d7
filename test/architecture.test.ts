/** The arrows and doors of the tree hold, and the rules that say so are awake. */
import { existsSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseSource, readSources, violations } from './support/architecture.ts';

const root = resolve(import.meta.dirname, '..');

describe('the tree', () => {
  const files = readSources(root, ['src', 'test', 'bin', 'sample']);

  it('keeps its arrows and doors', () => {
    expect(violations(files)).toEqual([]);
  });

  it('was read: every top folder that exists has files and imports', () => {
    const tops = ['src', 'test'].flatMap((top) =>
      readdirSync(resolve(root, top), { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && hasSource(resolve(root, top, entry.name)))
        .map((entry) => `${top}/${entry.name}/`),
    );
    expect(tops).toContain('src/lib/');
    for (const top of tops) expect(files.filter(({ path }) => path.startsWith(top)).length, top).toBeGreaterThan(0);
    const imports = files.flatMap((file) => file.imports);
    expect(imports.length).toBeGreaterThan(files.length / 2);
    expect(imports.some(({ typeOnly }) => typeOnly)).toBe(true);
  });
});

function hasSource(folder: string): boolean {
  return (
    existsSync(folder) &&
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).some((name) => name.endsWith('.ts'))
  );
}

/** A tree of made-up files; those that are imported exist, empty. */
function breachesOf(path: string, text: string, others: Record<string, string> = {}): string[] {
  return violations(Object.entries({ ...others, [path]: text }).map(([name, source]) => parseSource(name, source)));
}

describe('the rules refuse', () => {
  it.each([
    ['lib <- model', 'src/lib/queue.ts', `import { x } from '#model/task.ts';`, 'src/model/task.ts'],
    ['model <- protocol', 'src/model/task.ts', `import { x } from '#protocol/ecs.ts';`, 'src/protocol/ecs.ts'],
    ['protocol <- control', 'src/protocol/ecs.ts', `export * from '#control/store.ts';`, 'src/control/store.ts'],
    ['a sibling', 'src/agent/agent.ts', `import { x } from '#control/store.ts';`, 'src/control/store.ts'],
    ["a sibling's type", 'src/control/a.ts', `import type { X } from '#agent/b.ts';`, 'src/agent/b.ts'],
    ["a sibling's type inline", 'src/cli/a.ts', `type X = import('#agent/b.ts').X;`, 'src/agent/b.ts'],
    ['a sibling at run time', 'src/cli/a.ts', `await import('#control/main.ts');`, 'src/control/main.ts'],
    ['the test tree', 'src/lib/a.ts', `import { x } from '#test/b.ts';`, 'test/b.ts'],
    ['a relative way across', 'src/control/a.ts', `import { x } from '../model/b.ts';`, 'src/model/b.ts'],
    [
      'an engine adapter',
      'src/agent/runner/a.ts',
      `import { x } from '#agent/engine/docker.ts';`,
      'src/agent/engine/docker.ts',
    ],
    [
      'a store adapter',
      'src/control/api/a.ts',
      `import { x } from '../store/sqlite.ts';`,
      'src/control/store/sqlite.ts',
    ],
    ['impure from pure', 'src/agent/tasks/a.ts', `import type { X } from '../engine/b.ts';`, 'src/agent/engine/b.ts'],
    [
      'protocol from pure',
      'src/control/scheduler/a.ts',
      `import type { X } from '#protocol/b.ts';`,
      'src/protocol/b.ts',
    ],
    ['values of lib from pure', 'src/model/a.ts', `import { systemClock } from '#lib/clock.ts';`, 'src/lib/clock.ts'],
    ['a file that is not there', 'src/model/a.ts', `import { x } from './b.ts';`, undefined],
  ])('%s', (_, path, text, target) => {
    const breaches = breachesOf(path, text, target === undefined ? {} : { [target]: '' });
    expect(breaches).toHaveLength(1);
    expect(breaches[0]).toContain(`${path} imports `);
  });

  it.each([
    ['dockerode', 'src/agent/runner/a.ts'],
    ['ws', 'src/control/api/a.ts'],
    ['kysely', 'src/control/reconciler/a.ts'],
    ['kysely/migration', 'src/agent/state/a.ts'],
    ['pg', 'src/control/control.ts'],
    ['node:sqlite', 'src/control/api/a.ts'],
    ['fastify', 'src/control/sessions/a.ts'],
    ['prom-client', 'src/control/reconciler/a.ts'],
    ['@smithy/signature-v4', 'src/control/api/server.ts'],
    ['@aws-crypto/sha256-js', 'src/agent/session/a.ts'],
    ['@aws-sdk/client-ecs', 'src/control/api/a.ts'],
    ['commander', 'src/main.ts'],
    ['pino', 'src/control/main.ts'],
    ['zod', 'src/lib/a.ts'],
    ['zod', 'src/control/deployments/a.ts'],
    ['node:child_process', 'src/cli/commands/task-list.ts'],
    ['node:fs', 'src/model/a.ts'],
    ['lodash', 'src/lib/a.ts'],
  ])('%s in %s', (library, path) => {
    expect(breachesOf(path, `import { x } from '${library}';`)).toHaveLength(1);
  });

  it('a cycle, types included', () => {
    const breaches = breachesOf('src/lib/a.ts', `import { b } from './b.ts';`, {
      'src/lib/b.ts': `import type { c } from './c.ts';`,
      'src/lib/c.ts': `export type { a } from './a.ts';`,
    });
    expect(breaches).toEqual([expect.stringMatching(/^cycle: (src\/lib\/[abc]\.ts( -> )?){4}$/)]);
  });

  it('a file that is too long, one that does not parse, and an import that is computed', () => {
    expect(breachesOf('src/lib/a.ts', 'x;\n'.repeat(451))).toHaveLength(1);
    expect(breachesOf('test/unit/a.test.ts', 'x;\n'.repeat(451))).toHaveLength(1);
    expect(breachesOf('src/lib/a.ts', 'const = 1;')).not.toEqual([]);
    expect(breachesOf('src/lib/a.ts', 'await import(name);')).toHaveLength(1);
  });
});

describe('the rules allow', () => {
  it.each([
    [
      'types of lib in a pure folder',
      'src/model/a.ts',
      `import type { Random } from '#lib/random.ts';`,
      'src/lib/random.ts',
    ],
    ['the model in a pure folder', 'src/agent/tasks/a.ts', `import { x } from '#model/task.ts';`, 'src/model/task.ts'],
    [
      'an adapter in its composition root',
      'src/agent/main.ts',
      `import { x } from './engine/docker.ts';`,
      'src/agent/engine/docker.ts',
    ],
    ['main.ts everything', 'src/main.ts', `await import('#agent/main.ts');`, 'src/agent/main.ts'],
    [
      "AWS's types in protocol",
      'src/protocol/a.ts',
      `import type { Task } from '@aws-sdk/client-ecs';`,
      'src/lib/b.ts',
    ],
    [
      "AWS's client in the command line",
      'src/cli/a.ts',
      `import { ECSClient } from '@aws-sdk/client-ecs';`,
      'src/lib/b.ts',
    ],
    ['zod at an edge', 'src/agent/config.ts', `import { z } from 'zod';`, 'src/lib/b.ts'],
    ['processes for dev', 'src/cli/dev/daemons.ts', `import { spawn } from 'node:child_process';`, 'src/lib/b.ts'],
    ['libraries in tests', 'test/unit/a.test.ts', `import fc from 'fast-check';`, 'src/lib/b.ts'],
  ])('%s', (_, path, text, target) => {
    expect(breachesOf(path, text, { [target]: '' })).toEqual([]);
  });
});
