/** The command line: parses, runs one command, and turns what went wrong into a message, advice and an exit code (0 done, 1 failed, 2 wrong usage). */
import { CommanderError } from 'commander';
import { systemClock } from '#lib/clock.ts';
import { commit, version } from '#lib/version.ts';
import { versionOfBuild } from '#model/agent-update.ts';
import { readEnvironment } from './config.ts';
import { createContext, type CliContext } from './context.ts';
import { explain } from './errors.ts';
import { outputDrained, processTerminal } from './output/terminal.ts';
import { buildProgram } from './program.ts';

/** `root` is the clone, or where the executable lies. */
export async function main(args: string[], root: string): Promise<number> {
  const environment = readEnvironment(root);
  const interrupt = new AbortController();
  const terminal = processTerminal({
    isColorAllowed: environment.isColorAllowed,
    onReaderGone: (error) => interrupt.abort(error),
  });
  abortOnSignals(interrupt);
  const context = createContext({ environment, terminal, clock: systemClock, signal: interrupt.signal });
  const program = buildProgram(context, versionOfBuild(version, commit));
  try {
    await program.parseAsync(args, { from: 'user' });
    return context.exitCode;
  } catch (error) {
    return report(context, error);
  } finally {
    await outputDrained();
  }
}

/**
 * The first signal lets the command end in order; a second one ends it at once. npm passes on what the terminal has sent to everybody, so one Ctrl-C may
 * arrive twice: signals within a second count as one.
 */
function abortOnSignals(interrupt: AbortController): void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  function onSignal(): void {
    if (interrupt.signal.aborted) return;
    interrupt.abort(new Error('interrupted'));
    systemClock.after(1000, () => signals.forEach((signal) => process.off(signal, onSignal)), { background: true });
  }
  for (const signal of signals) process.on(signal, onSignal);
}

function report(context: CliContext, error: unknown): number {
  // Commander has printed its own message, with a suggestion, by now.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const { message, code, next, exitCode } = explain(error, endpointOf(context));
  if (context.output === 'json') context.terminal.note(`${JSON.stringify({ error: { code, message, next } })}\n`);
  else
    context.terminal.note(
      `${context.terminal.style('red', 'berth:')} ${message}\n${next === undefined ? '' : `       ${next}\n`}`,
    );
  return exitCode;
}

/** For the message only: where there is no endpoint, there is none to name. */
function endpointOf(context: CliContext): string | undefined {
  return context.hasEndpoint() ? context.endpoint().url : undefined;
}
