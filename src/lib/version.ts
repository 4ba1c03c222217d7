/** Which Berth this is: one source for the command line, control, the agent and what it reports. */
import packageJson from '../../package.json' with { type: 'json' };

/** Put in by the build (bin/build/bundle.ts): the commit, with a `*` before it when files were changed since. */
declare const BERTH_COMMIT: string | undefined;

export const version = packageJson.version;

/** As ECS writes `agentHash`, e.g. `1f3a9c2` or `*1f3a9c2`; undefined when the sources run, or were built outside a clone. */
export const commit = typeof BERTH_COMMIT === 'string' && BERTH_COMMIT !== '' ? BERTH_COMMIT : undefined;
