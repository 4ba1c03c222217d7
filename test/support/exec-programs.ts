/** Commands that tests run in containers, twice: as busybox understands them, and as the fake engine plays them. */
import type { ExecSpec } from '#agent/engine/engine-exec.ts';

export interface ExecProgram {
  readonly command: readonly string[];
  readonly behaviour: ExecBehaviour;
}

export interface ExecBehaviour {
  /** Written at the start. */
  output?(spec: ExecSpec): readonly { stream: 'stdout' | 'stderr'; text: string }[];
  /** Writes what it reads; ends with its input. */
  echoes?: true;
  /** Ends at once with this code; without it and `echoes` it runs until it is ended. */
  exitCode?: number;
  /** With a terminal, writes each new size. */
  tellsSize?: true;
}

export const execPrograms = {
  speaks: {
    command: ['sh', '-c', 'echo to-out; echo to-err >&2; exit 3'],
    behaviour: {
      output: () => [
        { stream: 'stdout', text: 'to-out\n' },
        { stream: 'stderr', text: 'to-err\n' },
      ],
      exitCode: 3,
    },
  },
  echoes: { command: ['cat'], behaviour: { echoes: true } },
  waits: { command: ['sleep', '3600'], behaviour: {} },
  tellsSize: {
    command: ['sh', '-c', 'trap "stty size" WINCH; echo ready; while :; do sleep 0.05; done'],
    behaviour: { output: () => [{ stream: 'stdout', text: 'ready\r\n' }], tellsSize: true },
  },
  tellsEnvironment: {
    command: ['sh', '-c', 'id -u; echo "$GREETING"'],
    behaviour: {
      output: ({ user, environment }) => [
        { stream: 'stdout', text: `${user ?? '0'}\n${environment[0]?.split('=')[1] ?? ''}\n` },
      ],
      exitCode: 0,
    },
  },
  isMissing: {
    command: ['/no/such/program'],
    behaviour: {
      output: () => [{ stream: 'stdout', text: 'exec: "/no/such/program": no such file' }],
      exitCode: 126,
    },
  },
} as const satisfies Record<string, ExecProgram>;

/** The behaviour of a known command; any other ends well at once. */
export function execBehaviourOf(command: readonly string[]): ExecBehaviour {
  const wanted = JSON.stringify(command);
  const known = Object.values<ExecProgram>(execPrograms).find((program) => JSON.stringify(program.command) === wanted);
  return known?.behaviour ?? { exitCode: 0 };
}
