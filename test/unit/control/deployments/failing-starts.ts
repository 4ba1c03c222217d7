/** Machines on which nothing starts. */
import type { ServiceWorld } from './service-world.ts';

/** Every start fails until `ms` have passed. Answers how many were tried. */
export function failStarts(world: ServiceWorld, ms: number): number {
  const end = world.now + ms;
  let tried = 0;
  while (world.now <= end) {
    const { wakeAt } = world.look();
    const failing = world.pending();
    for (const task of failing) world.end(task);
    tried += failing.length;
    if (failing.length === 0) world.now = wakeAt === undefined ? end + 1 : Math.max(wakeAt, world.now + 1);
  }
  return tried;
}
