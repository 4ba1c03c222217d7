import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const manual = readFileSync('docs/operating.md', 'utf8');

/** The files that read settings; a variable is a key of their schema. */
it.each([
  'src/control/config.ts',
  'src/agent/config.ts',
  'src/agent/metadata/endpoint-settings.ts',
  'src/agent/watch-settings.ts',
])('docs/operating.md explains every setting of %s', (path) => {
  const names = [...readFileSync(path, 'utf8').matchAll(/^ {2}([A-Z][A-Z_]{5,}):/gm)].map(([, name = '']) => name);
  expect(names.length).toBeGreaterThan(2);
  expect(names.filter((name) => !manual.includes(`\`${name}\``))).toEqual([]);
});

it('docs/operating.md explains no setting that there is not', () => {
  const sources = ['src/control/config.ts', 'src/agent/config.ts', 'src/cli/config.ts']
    .concat('src/agent/metadata/endpoint-settings.ts', 'src/agent/watch-settings.ts')
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');
  const named = [...manual.matchAll(/`((?:BERTH|ECS|NON_ECS|AWS)_[A-Z_]+)`/g)].map(([, name = '']) => name);
  expect(named.filter((name) => !name.endsWith('_') && !sources.includes(name))).toEqual([]);
});
