/** The engine volumes that the tasks in an agent's journal made for themselves: what is left to remove when a test ends with its tasks. */
import { join } from 'node:path';
import { openJournal } from '#agent/state/journal.ts';
import { systemClock } from '#lib/clock.ts';
import { silentLogger } from '#lib/logger.ts';

/** `dataFolder` is the agent's; the agent must not run. */
export function taskVolumesIn(dataFolder: string): string[] {
  const path = join(dataFolder, 'journal.sqlite');
  const journal = openJournal({ path, machineId: 'unused', logger: silentLogger, now: systemClock.now() });
  const volumes = journal.tasks().flatMap((task) => task.volumes);
  journal.close();
  return volumes.filter(({ scope }) => scope === 'task').map(({ engineName }) => engineName);
}
