/** docs/faults.md names tests that there are, by words of their titles, and leaves no file of test/e2e/faults and test/e2e/hosts out. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const table = readFileSync('docs/faults.md', 'utf8');

/** A file, and what is said of it up to the next one. */
const named = [...table.matchAll(/`([\w/-]+\.test\.ts)`:((?:(?!`|\n)[^])*)/g)].map(([, name = '', words = '']) => ({
  path: name.startsWith('test/') ? name : `test/e2e/${name}`,
  titles: [...words.matchAll(/“([^”]+)”/g)].map(([, title = '']) => title),
}));

it('names tests by words that are in them', () => {
  expect(named.length).toBeGreaterThan(30);
  for (const { path, titles } of named) {
    expect(titles, path).not.toEqual([]);
    const source = readFileSync(path, 'utf8');
    expect(
      titles.filter((title) => !source.includes(title)),
      path,
    ).toEqual([]);
  }
});

it('leaves no test of a fault out', () => {
  const files = ['test/e2e/faults', 'test/e2e/hosts'].flatMap((folder) =>
    readdirSync(folder).map((name) => `${folder}/${name}`),
  );
  expect(files.filter((path) => !named.some((one) => one.path === path))).toEqual([]);
});
