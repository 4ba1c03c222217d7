/** What the containers of the simulation run: an image for each way to live and to die, and the definitions that use them. */
import { createHash } from 'node:crypto';
import { int, type Random } from '#lib/random.ts';
import { parseImageReference } from '#model/image-reference.ts';
import type { Behaviour } from '#test/support/container-programs.ts';

/** What goes on around the containers when one is created. */
export interface Circumstances {
  /** Containers live as long as they are wanted. */
  readonly calm: boolean;
  /** What some programs cannot do without, such as a database of theirs, is away. */
  readonly dependencyGone: boolean;
}

interface Program {
  /** Decided for each container, when it is created. */
  behaviour(random: Random, around: Circumstances): Behaviour;
  /** A service of it can become steady. */
  readonly steady: boolean;
  /** Known to the registry. */
  readonly missing?: true;
  readonly healthCheck?: true;
  readonly failsAtOnce?: true;
}

const programs = {
  serves: { steady: true, behaviour: () => ({}) },
  leaves: { steady: true, behaviour: (random) => ({ onTerm: 0, stopsAfterMs: int(random, 100, 9000) }) },
  stubborn: { steady: true, behaviour: () => ({ onTerm: 'ignored' }) },
  flaky: {
    steady: true,
    behaviour: (random, { calm }) =>
      !calm && int(random, 1, 3) === 1 ? { exitsAfterMs: int(random, 100, 90_000), exitCode: 1 } : {},
  },
  checked: { steady: true, healthCheck: true, behaviour: (random) => ({ healthyAfterMs: int(random, 500, 8000) }) },
  sluggish: { steady: true, healthCheck: true, behaviour: (random) => ({ healthyAfterMs: int(random, 5000, 45_000) }) },
  // A rollout of it sees successes between failures.
  unsteady: {
    steady: true,
    healthCheck: true,
    behaviour: (random, { calm }) =>
      !calm && int(random, 1, 2) === 1
        ? { exitsAfterMs: int(random, 100, 8000), exitCode: 1 }
        : { healthyAfterMs: int(random, 5000, 20_000) },
  },
  dependent: {
    steady: true,
    behaviour: (random, { dependencyGone }) =>
      dependencyGone ? { exitsAfterMs: int(random, 1, 2000), exitCode: 1 } : {},
  },
  sick: {
    steady: false,
    healthCheck: true,
    behaviour: (random) => ({ unhealthyAfterMs: int(random, 12_000, 120_000) }),
  },
  // Nothing slows its replacements down: were all of them short, most of a run would be the same story again. None outlives the rest before the quiet.
  brief: {
    steady: false,
    behaviour: (random) => ({ exitsAfterMs: int(random, 1, int(random, 1, 3) === 1 ? 60_000 : 300_000), exitCode: 0 }),
  },
  crashes: {
    steady: false,
    failsAtOnce: true,
    behaviour: (random) => ({ exitsAfterMs: int(random, 1, 2000), exitCode: 1 }),
  },
  greedy: {
    steady: false,
    failsAtOnce: true,
    behaviour: () => ({ exitsAfterMs: 3000, exitCode: 137, outOfMemory: true }),
  },
  unstartable: {
    steady: false,
    failsAtOnce: true,
    behaviour: () => ({ failsToStart: 'exec: "app": executable file not found in $PATH' }),
  },
  missing: { steady: false, missing: true, failsAtOnce: true, behaviour: () => ({}) },
} as const satisfies Record<string, Program>;

export type ProgramName = keyof typeof programs;

const byName: Readonly<Record<string, Program>> = programs;
const prefix = 'simulated.test/';

/** What the one registry of all machines knows. */
export const offeredImages = Object.entries<Program>(programs)
  .filter(([, program]) => program.missing !== true)
  .map(([name]) => ({
    reference: prefix + name,
    digest: `sha256:${createHash('sha256').update(name).digest('hex')}`,
  }));

export function behaviourOfImage(image: string, random: Random, around: Circumstances): Behaviour {
  return programOf(image).behaviour(random, around);
}

/** It ends when that what it cannot do without goes away. */
export function isDependent(image: string): boolean {
  return programOf(image) === programs.dependent;
}

/** Whether a service of a definition with these images can become steady. */
export function canBeSteady(images: readonly string[]): boolean {
  return images.every((image) => programOf(image).steady);
}

export function isSteadyProgram(name: ProgramName): boolean {
  return programs[name].steady;
}

/** Every start of it fails, or ends within seconds. */
export function failsAtOnce(image: string): boolean {
  return programOf(image).failsAtOnce === true;
}

/** By tag, or by the digest that a deployment was pinned to. */
function programOf(image: string): Program {
  const program = byName[(parseImageReference(image)?.name ?? image).slice(prefix.length)];
  if (program === undefined) throw new Error(`no machine of the simulation runs ${image}`);
  return program;
}

export interface DefinitionChoice {
  readonly family: string;
  readonly program: ProgramName;
  /** A second, essential container that the first waits for. */
  readonly sidecar: boolean;
  readonly hostPort?: number;
  readonly memory: number;
}

/** The request of RegisterTaskDefinition. */
export function definitionRequest({ family, program, sidecar, hostPort, memory }: DefinitionChoice): object {
  const chosen: Program = programs[program];
  const app = {
    name: 'app',
    image: prefix + program,
    memory,
    cpu: 128,
    essential: true,
    ...(hostPort === undefined ? {} : { portMappings: [{ containerPort: 80, hostPort }] }),
    ...(chosen.healthCheck === undefined
      ? {}
      : { healthCheck: { command: ['CMD-SHELL', 'true'], interval: 5, timeout: 2, retries: 2 } }),
    ...(sidecar ? { dependsOn: [{ containerName: 'proxy', condition: 'START' }] } : {}),
  };
  const proxy = { name: 'proxy', image: `${prefix}leaves`, memory: 32, cpu: 32, essential: true };
  return { family, networkMode: 'bridge', containerDefinitions: sidecar ? [app, proxy] : [app] };
}
