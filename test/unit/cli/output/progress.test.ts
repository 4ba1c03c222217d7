import { describe, expect, it } from 'vitest';
import { createProgress } from '#cli/output/progress.ts';
import { fakeTerminal } from '#test/support/fake-terminal.ts';

describe('progress on a terminal', () => {
  it('redraws the moving lines in place', () => {
    const terminal = fakeTerminal({ isInteractive: true });
    const progress = createProgress(terminal);

    progress.show([
      { key: 'a', text: 'a PENDING' },
      { key: 'b', text: 'b PENDING' },
    ]);
    progress.show([{ key: 'a', text: 'a RUNNING' }]);

    expect(terminal.notes).toBe('a PENDING\nb PENDING\n\u001B[2A\u001B[0Ja RUNNING\n');
  });

  it('keeps permanent lines above the moving ones', () => {
    const terminal = fakeTerminal({ isInteractive: true });
    const progress = createProgress(terminal);

    progress.show([{ key: 'a', text: 'moving' }]);
    progress.line('an event');

    expect(terminal.notes).toBe('moving\n\u001B[1A\u001B[0Jan event\nmoving\n');
  });

  it('never draws a line longer than the terminal or more lines than allowed', () => {
    const terminal = fakeTerminal({ isInteractive: true, columns: 21 });
    const progress = createProgress(terminal, { maximumLines: 1 });

    progress.show([
      { key: 'a', text: 'x'.repeat(50) },
      { key: 'b', text: 'second' },
    ]);

    expect(terminal.notes).toBe(`${'x'.repeat(19)}…\n… and 1 more\n`);
  });
});

describe('progress elsewhere', () => {
  it('prints a plain line whenever the text of one thing changes', () => {
    const terminal = fakeTerminal();
    const progress = createProgress(terminal);

    progress.show([
      { key: 'a', text: 'a PENDING' },
      { key: 'b', text: 'b PENDING' },
    ]);
    progress.show([
      { key: 'a', text: 'a PENDING' },
      { key: 'b', text: 'b RUNNING' },
    ]);

    expect(terminal.notes).toBe('a PENDING\nb PENDING\nb RUNNING\n');
  });
});
