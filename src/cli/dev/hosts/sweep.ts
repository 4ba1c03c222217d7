/** Takes away everything of the hosts of a folder but their disks, whether it was made whole or half, by this command or by one that was killed. */
import { basename, dirname } from 'node:path';
import type { Clock } from '#lib/clock.ts';
import { groupNames } from './groups.ts';
import { powerOff } from './host.ts';
import { removeLan } from './lan.ts';
import type { Place } from './place.ts';
import { findHosts } from './processes.ts';

export async function sweep(place: Place, clock: Clock): Promise<void> {
  const running = [...(await findHosts(place.program)).keys()].filter((folder) => dirname(folder) === place.folder);
  const inGroups = (await groupNames(`${place.tag}-`)).map((group) => group.slice(place.tag.length + 1));
  const names = new Set([...running.map((folder) => basename(folder)), ...inGroups]);
  await Promise.all(
    [...names].map((name) =>
      powerOff({ place, host: { name, folder: `${place.folder}/${name}`, group: `${place.tag}-${name}` }, clock }),
    ),
  );
  await removeLan(place);
}
