/** Node for daemons that share a small machine with their containers; docs/decisions/0007-build.md has what each flag saves. */

/** Most of what a daemon allocates is dead at once, and code that rarely runs need not be kept compiled for speed. */
const smallFlags = ['--max-semi-space-size=1', '--optimize-for-size'];
/** An agent mostly waits for others: compilers at work would take more memory than all of its containers, and save it nothing. */
const interpretedFlags = ['--no-sparkplug', '--no-maglev', '--no-opt'];

export function daemonFlags(name: 'control' | 'agent'): readonly string[] {
  return name === 'agent' ? [...smallFlags, ...interpretedFlags] : smallFlags;
}

/** One heap of the C library for all threads instead of one for each. */
export const daemonEnvironment: NodeJS.ProcessEnv = { MALLOC_ARENA_MAX: '1' };
