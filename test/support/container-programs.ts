/**
 * What test containers run, twice: as a command that busybox understands, and as the behaviour the fake engine plays. The engine's
 * contract suite runs both and expects the same.
 */
import type { LogEntry } from '#agent/engine/container-engine.ts';

export interface Behaviour {
  /** The engine refuses to start it, in these words. */
  failsToStart?: string;
  /** Ends by itself after this long; runs until it is stopped when absent. */
  exitsAfterMs?: number;
  /** Of an end by itself; 0 by default. */
  exitCode?: number;
  /** The kernel ends it for its memory. */
  outOfMemory?: boolean;
  /** Exit code of a stop by SIGTERM (143 by default), or that it does not listen. */
  onTerm?: number | 'ignored';
  /** How long it takes to end after SIGTERM. */
  stopsAfterMs?: number;
  /** Written at start. */
  output?: readonly Pick<LogEntry, 'stream' | 'text'>[];
  /** Only with a health check; after its first interval by default. */
  healthyAfterMs?: number;
  unhealthyAfterMs?: number;
}

export interface Program {
  readonly command: readonly string[];
  readonly behaviour: Behaviour;
}

function shell(script: string, behaviour: Behaviour): Program {
  return { command: ['/bin/sh', '-c', script], behaviour };
}

/** In busybox a background `sleep` and `wait` let the shell take its signal at once. */
const idle = 'while :; do sleep 1 & wait $!; done';

export const programs = {
  serves: shell(`trap 'exit 143' TERM; ${idle}`, {}),
  stopsGracefully: shell(`trap 'exit 0' TERM; ${idle}`, { onTerm: 0 }),
  ignoresTerm: shell(`trap '' TERM; ${idle}`, { onTerm: 'ignored' }),
  succeeds: shell('exit 0', { exitsAfterMs: 1 }),
  fails: shell('exit 3', { exitsAfterMs: 1, exitCode: 3 }),
  speaks: shell(`echo to-out; echo to-err >&2; trap 'exit 143' TERM; ${idle}`, {
    output: [
      { stream: 'stdout', text: 'to-out' },
      { stream: 'stderr', text: 'to-err' },
    ],
  }),
  speaksAndEnds: shell('echo one; echo two; echo three', {
    exitsAfterMs: 1,
    output: ['one', 'two', 'three'].map((text) => ({ stream: 'stdout' as const, text })),
  }),
  eatsMemory: shell('x=a; while :; do x=$x$x; done', { exitsAfterMs: 1, exitCode: 137, outOfMemory: true }),
  isMissing: { command: ['/no/such/program'], behaviour: { failsToStart: 'exec: "/no/such/program": no such file' } },
} as const satisfies Record<string, Program>;

/** The behaviour of a known command; undefined for any other. */
export function behaviourOf(command: readonly string[] | undefined): Behaviour | undefined {
  const wanted = JSON.stringify(command ?? []);
  return Object.values<Program>(programs).find((program) => JSON.stringify(program.command) === wanted)?.behaviour;
}
