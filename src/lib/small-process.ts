/** Node for daemons that share a small machine with their containers; docs/decisions/0007-build.md has what each flag saves. */

/**
 * A control service has work for the compilers as soon as its fleet is large, and allocates what is dead at once: with less room for that it would collect all the time.
 * The room is taken when it is used; a small cluster never does.
 */
const controlFlags = ['--max-semi-space-size=16'];
/** An agent mostly waits for others: compilers at work would take more memory than all of its containers, and save it nothing. */
const agentFlags = ['--max-semi-space-size=1', '--optimize-for-size', '--no-sparkplug', '--no-maglev', '--no-opt'];

export function daemonFlags(name: 'control' | 'agent'): readonly string[] {
  return name === 'agent' ? agentFlags : controlFlags;
}

/** One heap of the C library for all threads instead of one for each. */
export const daemonEnvironment: NodeJS.ProcessEnv = { MALLOC_ARENA_MAX: '1' };
