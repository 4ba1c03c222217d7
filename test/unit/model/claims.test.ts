/** What tasks take, added up step by step, is what adding all of them up gives. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { noClaims, withClaim, withoutClaim, type Claims, type ClaimingTask } from '#model/claims.ts';

const task: fc.Arbitrary<ClaimingTask> = fc.record(
  {
    resources: fc.record({
      cpu: fc.nat(2048),
      memoryMiB: fc.nat(4096),
      ports: fc.array(
        fc.record({
          port: fc.integer({ min: 80, max: 84 }),
          protocol: fc.constantFrom('tcp' as const, 'udp' as const),
        }),
        { maxLength: 2 },
      ),
      gpuCount: fc.nat(2),
    }),
    gpuIds: fc.array(fc.constantFrom('gpu-1', 'gpu-2', 'gpu-3'), { maxLength: 2 }),
    group: fc.constantFrom('service:web', 'family:job'),
    serviceName: fc.constantFrom('web', 'worker'),
    desiredStatus: fc.constantFrom('RUNNING' as const, 'STOPPED' as const),
    lostAt: fc.constant(1000),
  },
  { requiredKeys: ['resources', 'gpuIds', 'group', 'desiredStatus'] },
);

/** In no order, which claims do not promise. */
function said({ resources, gpuIds, services, groups }: Claims): object {
  const inOrder = (items: readonly unknown[]): string[] => items.map((item) => JSON.stringify(item)).toSorted();
  return {
    ...resources,
    ports: inOrder(resources.ports),
    gpuIds: inOrder(gpuIds),
    services: inOrder([...services]),
    groups: inOrder([...groups]),
  };
}

const claimsOf = (tasks: readonly ClaimingTask[]): Claims => tasks.reduce(withClaim, noClaims);

it('a task that came and left leaves nothing behind, whichever it is', () => {
  fc.assert(
    fc.property(fc.array(task, { minLength: 1, maxLength: 8 }), fc.nat(), (tasks, pick) => {
      const index = pick % tasks.length;
      const [gone] = tasks.slice(index, index + 1);
      if (gone === undefined) return;
      expect(said(withoutClaim(claimsOf(tasks), gone))).toEqual(said(claimsOf(tasks.toSpliced(index, 1))));
    }),
  );
});

it('counts for a spread what is to run and is not lost, and takes room for all', () => {
  const plain = { resources: { cpu: 10, memoryMiB: 20, ports: [], gpuCount: 0 }, gpuIds: [], group: 'service:web' };
  const web = { ...plain, serviceName: 'web' };
  const claims = claimsOf([
    { ...web, desiredStatus: 'RUNNING' },
    { ...web, desiredStatus: 'STOPPED' },
    { ...web, desiredStatus: 'RUNNING', lostAt: 5 },
  ]);
  expect(claims.resources).toMatchObject({ cpu: 30, memoryMiB: 60 });
  expect([...claims.services, ...claims.groups]).toEqual([
    ['web', 1],
    ['service:web', 1],
  ]);
});
