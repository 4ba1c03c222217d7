import { describe, expect, it } from 'vitest';
import { candidates } from '#cli/commands/completion.ts';
import { createContext, type CliContext } from '#cli/context.ts';
import { collectStrategyItem, parseDuration } from '#cli/options.ts';
import { buildProgram } from '#cli/program.ts';
import { fakeTerminal, type FakeTerminal } from '#test/support/fake-terminal.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

function aContext(terminal: FakeTerminal): CliContext {
  const environment = { home: '/nowhere', root: '/nowhere', cluster: 'default', inherited: {}, isColorAllowed: false };
  return createContext({ environment, terminal, clock: new ManualClock(), signal: new AbortController().signal });
}

function run(...words: string[]): { context: CliContext; terminal: FakeTerminal; done: Promise<unknown> } {
  const terminal = fakeTerminal();
  const context = aContext(terminal);
  return { context, terminal, done: buildProgram(context, '1.2.3').parseAsync(words, { from: 'user' }) };
}

describe('the command line', () => {
  it('takes the global options behind the sub-command too', async () => {
    const { context, done } = run('completion', 'bash', '--output', 'json', '--cluster', 'edge');
    await done;
    expect(context).toMatchObject({ output: 'json', cluster: 'edge' });
  });

  it('takes the global options in front of the sub-command', async () => {
    const { context, done } = run('--output', 'json', '--cluster', 'edge', 'completion', 'fish');
    await done;
    expect(context).toMatchObject({ output: 'json', cluster: 'edge' });
  });

  it('refuses a count that is no number, and says what would be right', async () => {
    const { terminal, done } = run('run', 'web', '--count', 'banana');
    await expect(done).rejects.toMatchObject({ exitCode: 1 });
    expect(terminal.notes).toContain('expected a whole number from 1 up');
  });

  it('suggests the command that was meant', async () => {
    const { terminal, done } = run('servce');
    await expect(done).rejects.toBeDefined();
    expect(terminal.notes).toContain('Did you mean service?');
  });
});

describe('a capacity provider strategy', () => {
  it('is one item per option, a name alone or as the aws command writes it', () => {
    const first = collectStrategyItem('blue');
    expect(collectStrategyItem('capacityProvider=green, weight=3,base=1', first)).toEqual([
      { capacityProvider: 'blue' },
      { capacityProvider: 'green', weight: 3, base: 1 },
    ]);
  });

  it.each(['weight=3', 'capacityProvider=blue,wait=1', 'capacityProvider=blue,weight=many'])('refuses %s', (text) => {
    expect(() => collectStrategyItem(text)).toThrow('expected');
  });

  it('and a wait for room are refused before anything is asked for', async () => {
    const { terminal, done } = run('run', 'web', '--wait-for-capacity', 'soon');
    await expect(done).rejects.toMatchObject({ exitCode: 1 });
    expect(terminal.notes).toContain('expected a duration up to 7d');
  });
});

describe('completion', () => {
  const program = buildProgram(aContext(fakeTerminal()), '1.2.3');

  it('offers the nouns first', () => {
    expect(candidates(program, [])).toEqual(
      expect.arrayContaining(['run', 'task', 'service', 'taskdef', 'instance', 'cluster', 'env', 'dev']),
    );
  });

  it('offers the verbs of a noun, and the options of a verb', () => {
    expect(candidates(program, ['service'])).toEqual(
      expect.arrayContaining(['create', 'update', 'list', 'show', 'delete']),
    );
    expect(candidates(program, ['service', 'update', 'web'])).toEqual(
      expect.arrayContaining(['--desired-count', '--wait', '--cluster']),
    );
  });

  it('does not offer what is hidden', () => {
    expect(candidates(program, [])).not.toContain('complete-words');
  });
});

describe('a duration', () => {
  it.each([
    ['90s', 90_000],
    ['15m', 900_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it('without a unit is refused', () => {
    expect(() => parseDuration('15')).toThrow('expected a duration such as 90s');
  });
});
