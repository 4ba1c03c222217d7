import { Script } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { createModuleLoader, moduleWrapper } from '#lib/wrapped-modules.ts';

function loaderOf(texts: Record<string, string>, caches: Record<string, Buffer> = {}) {
  return createModuleLoader({
    source: (name) => `${moduleWrapper.before}${texts[name] ?? ''}${moduleWrapper.after}`,
    codeCache: (name) => caches[name],
  });
}

describe('modules that stand ready as texts', () => {
  it('require each other, each run once and only when it is asked for', () => {
    const { load, scripts } = loaderOf({
      'main.js': `exports.sum = require('./one.js').value + require('./one.js').value;`,
      'one.js': `exports.value = 1;`,
      'never.js': `throw new Error('not asked for');`,
    });

    expect(load('main.js')).toEqual({ sum: 2 });
    expect([...scripts.keys()]).toEqual(['main.js', 'one.js']);
  });

  it('require each other in a circle, as CommonJS does', () => {
    const { load } = loaderOf({
      'main.js': `exports.early = 1; exports.seen = require('./other.js').seen;`,
      'other.js': `exports.seen = require('./main.js').early;`,
    });

    expect(load('main.js')).toEqual({ early: 1, seen: 1 });
  });

  it("require Node's own modules, and nothing else", () => {
    const { load } = loaderOf({
      'main.js': `exports.sep = require('node:path').sep;`,
      'lost.js': `require('left-pad');`,
    });

    expect(load('main.js')).toEqual({ sep: '/' });
    expect(() => load('lost.js')).toThrow('there is no module left-pad in this program');
  });

  it('are taken from a code cache where there is one', () => {
    const text = `${moduleWrapper.before}exports.value = 7;${moduleWrapper.after}`;
    const cache = new Script(text).createCachedData();
    const { load, scripts } = loaderOf({ 'main.js': 'exports.value = 7;' }, { 'main.js': cache });

    expect(load('main.js')).toEqual({ value: 7 });
    expect(scripts.get('main.js')?.cachedDataRejected).toBe(false);
  });
});
