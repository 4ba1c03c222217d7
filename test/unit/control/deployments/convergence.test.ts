/** Whatever happens to a service, the invariants hold after each look, and once faults end it comes to rest where it should (I12). */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { seededRandom, pick } from '#lib/random.ts';
import { ServiceWorld } from './service-world.ts';

type Happening =
  | { kind: 'run' | 'end' | 'stopDone' | 'sick' | 'well' | 'userStop'; seed: number }
  | { kind: 'drain' | 'undrain'; machine: number }
  | { kind: 'deploy'; revision: number }
  | { kind: 'scale'; desiredCount: number }
  | { kind: 'wait'; ms: number }
  | { kind: 'capacity'; tasks: number }
  | { kind: 'protect'; seed: number; ms: number }
  | { kind: 'pullsAhead' | 'pulled' | 'pullFails' | 'silence' | 'answer'; machine: number }
  | { kind: 'stop'; type: 'ROLLBACK' | 'ABORT' };

const seed = fc.nat(1000);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('run', 'run', 'run', 'end', 'stopDone', 'stopDone', 'sick', 'well', 'userStop'),
      seed,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('drain', 'undrain'), machine: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deploy'), revision: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('scale'), desiredCount: fc.nat(6) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('silence', 'answer'), machine: fc.nat(3) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('pullsAhead', 'pulled', 'pullFails'), machine: fc.nat(3) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('stop'), type: fc.constantFrom('ROLLBACK', 'ABORT') }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait'), ms: fc.constantFrom(1, 5000, 40_000, 120_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('capacity'), tasks: fc.nat(12) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('protect'), seed, ms: fc.constantFrom(0, 60_000, 120_000, 3_600_000) }),
  },
);

const service = fc.record({
  desiredCount: fc.nat(5),
  deploymentConfiguration: fc.record({
    minimumHealthyPercent: fc.constantFrom(0, 33, 50, 100),
    maximumPercent: fc.constantFrom(100, 125, 150, 200),
    deploymentCircuitBreaker: fc.record({ enable: fc.boolean(), rollback: fc.boolean() }),
  }),
});

const onReturn = fc.constantFrom([], [{ key: 'berth:on-return', value: 'original' }]);

function happen(world: ServiceWorld, event: Happening): void {
  const random = seededRandom('seed' in event ? event.seed : 0);
  const alive = world.alive();
  const [pending, leaving] = [world.pending(), world.leaving()];
  switch (event.kind) {
    case 'run':
      if (pending.length > 0) world.run(pick(random, pending));
      break;
    case 'end':
      if (alive.length > 0) world.end(pick(random, alive));
      break;
    case 'stopDone':
      if (leaving.length > 0) world.changeTask(pick(random, leaving), { lastStatus: 'STOPPED', stoppedAt: world.now });
      break;
    case 'sick':
    case 'well':
      if (alive.length > 0)
        world.changeTask(pick(random, alive), { healthStatus: event.kind === 'sick' ? 'UNHEALTHY' : 'HEALTHY' });
      break;
    case 'userStop':
      if (alive.length > 0)
        world.changeTask(pick(random, alive), { desiredStatus: 'STOPPED', stopCode: 'UserInitiated' });
      break;
    case 'drain':
      world.draining.add(`machine-${event.machine}`);
      break;
    case 'undrain':
      world.draining.delete(`machine-${event.machine}`);
      break;
    case 'deploy':
      world.deploy(event.revision + 1);
      break;
    case 'scale':
      world.change({ desiredCount: event.desiredCount });
      break;
    case 'wait':
      world.now += event.ms;
      break;
    case 'protect':
      if (alive.length > 0) world.protect(pick(random, alive), event.ms);
      break;
    case 'pullsAhead':
      world.prepulls.set(`machine-${event.machine}`, undefined);
      break;
    case 'pulled':
    case 'pullFails': {
      const machine = `machine-${event.machine}`;
      const reason = 'CannotPullContainerError: the registry cannot be reached';
      if (world.prepulls.get(machine) === undefined) break;
      world.tell(machine, event.kind === 'pulled' ? { kind: 'pulled' } : { kind: 'failed', reason });
      break;
    }
    case 'stop':
      world.requestStop(event.type);
      break;
    case 'silence':
      world.silence(`machine-${event.machine}`);
      break;
    case 'answer':
      world.answer(`machine-${event.machine}`);
      break;
    case 'capacity':
      world.capacity = event.tasks;
      break;
  }
}

/** Faults end, there is room, and the configuration lets a rollout move. */
function heal(world: ServiceWorld): void {
  world.capacity = 1000;
  world.draining.clear();
  for (const machine of world.agents.keys()) world.answer(machine);
  world.prepulls.clear();
  world.change({ deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 200 } });
  for (const task of world.alive()) world.changeTask(task, { healthStatus: 'UNKNOWN' });
  if (world.primary.rolloutState === 'FAILED') world.deploy(9);
}

it('keeps I3 to I8, I16 and I17, and comes to rest (I12)', () => {
  fc.assert(
    fc.property(service, onReturn, fc.array(happening, { maxLength: 60 }), (settings, tags, happenings) => {
      const world = new ServiceWorld({ service: { ...settings, tags } });
      for (const event of happenings) {
        happen(world, event);
        world.look();
      }
      heal(world);
      world.passTime(2 * 60 * 60_000);
      expect(world.alive()).toHaveLength(world.service.desiredCount);
      expect(world.alive(world.primary)).toHaveLength(world.service.desiredCount);
      expect(world.pending()).toEqual([]);
      expect(world.lost()).toEqual([]);
      expect(world.service.deployments).toHaveLength(1);
      expect(world.primary.rolloutState).toBe('COMPLETED');
      expect(world.look()).toMatchObject({ changed: false, actions: [] });
      expect(world.look().waiting).toBeUndefined();
    }),
    { numRuns: 300 },
  );
});
