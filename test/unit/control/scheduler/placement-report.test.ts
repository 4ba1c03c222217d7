/** Why tasks find no place: counts by filter, and the nearest instances with what is missing there. */
import { describe, expect, it } from 'vitest';
import type { Occupant } from '#control/scheduler/candidate.ts';
import { place } from '#control/scheduler/place.ts';
import { reportPlacement, type PlacementReport } from '#control/scheduler/placement-report.ts';
import type { PlacementRequest } from '#control/scheduler/placement-request.ts';
import { seededRandom } from '#lib/random.ts';
import { arnId } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { TaskResources } from '#model/resources.ts';
import { aContainerInstance, type ContainerInstanceOverrides } from '#test/support/builders/a-container-instance.ts';
import { aTask } from '#test/support/builders/a-task.ts';

type Wanted = Partial<Omit<PlacementRequest, 'resources'>> & { resources?: Partial<TaskResources> };

function aRequest({ resources, ...overrides }: Wanted = {}): PlacementRequest {
  return {
    count: 1,
    group: 'service:web',
    serviceName: 'web',
    launchType: 'EC2',
    resources: { cpu: 100, memoryMiB: 64, ports: [], gpuCount: 0, ...resources },
    requiredAttributes: [],
    constraints: [],
    strategy: [],
    ...overrides,
  };
}

function on({ containerInstanceArn }: ContainerInstance, resources: Partial<TaskResources>): Occupant {
  return { ...aTask({ group: 'service:other', resources }), containerInstanceArn };
}

function missingOf(
  overrides: ContainerInstanceOverrides,
  request: Wanted,
  resources: readonly Partial<TaskResources>[] = [],
): string[] {
  const instance = aContainerInstance(overrides);
  const occupying = resources.map((each) => on(instance, each));
  const { nearest } = reportPlacement(aRequest(request), [instance], occupying);
  return nearest.flatMap(({ missing }) => missing.map(({ text }) => text));
}

describe('what is missing', () => {
  it('of memory is told in numbers, with the tasks that have it', () => {
    const occupants = [{ memoryMiB: 1000 }, { memoryMiB: 1000 }, { memoryMiB: 1092 }];
    const texts = missingOf({ resources: { memoryMiB: 3904 } }, { resources: { memoryMiB: 2048 } }, occupants);
    expect(texts).toEqual(['needs 2048 MiB of memory, 812 free of 3904; 3 tasks occupy 3092']);
  });

  it('of CPU likewise', () => {
    const texts = missingOf({ resources: { cpu: 1024 } }, { resources: { cpu: 512 } }, [{ cpu: 700 }]);
    expect(texts).toEqual(['needs 512 CPU units, 324 free of 1024; 1 task occupies 700']);
  });

  it('on an instance that is too small says so', () => {
    const texts = missingOf({ resources: { memoryMiB: 1024 } }, { resources: { memoryMiB: 2048 } });
    expect(texts).toEqual(['needs 2048 MiB of memory, and the instance has 1024 in all']);
  });

  it('of a port names the task that has it, or the machine', () => {
    const port = { port: 80, protocol: 'tcp' } as const;
    const instance = aContainerInstance();
    const task = on(instance, { ports: [port] });
    const request = aRequest({ resources: { ports: [port] } });
    const [nearest] = reportPlacement(request, [instance], [task]).nearest;
    const id = arnId(task.taskArn ?? '');
    expect(nearest?.missing[0]?.text).toBe(`needs host port 80/tcp, which task ${id} (service:other) has`);
    expect(missingOf({ resources: { takenPorts: [port] } }, { resources: { ports: [port] } })).toEqual([
      'needs host port 80/tcp, which the machine itself uses or keeps back',
    ]);
  });

  it('is all that is missing, not only the first', () => {
    const constraints = [{ type: 'memberOf', expression: 'attribute:ssd exists' }] as const;
    const texts = missingOf(
      { status: 'DRAINING', agentConnected: false, resources: { cpu: 50 } },
      { constraints, requiredAttributes: [{ name: 'gpu' }] },
    );
    expect(texts).toEqual([
      'the container instance is DRAINING',
      "the instance's agent is disconnected",
      'missing attribute gpu',
      'memberOf attribute:ssd exists does not hold',
      'needs 100 CPU units, and the instance has 50 in all',
    ]);
  });

  it('of a distinct instance names the task of the group', () => {
    const instance = aContainerInstance();
    const task = { ...aTask({ serviceName: 'web' }), containerInstanceArn: instance.containerInstanceArn };
    const request = aRequest({ constraints: [{ type: 'distinctInstance' }] });
    const [nearest] = reportPlacement(request, [instance], [task]).nearest;
    expect(nearest?.missing[0]?.text).toBe(
      `distinctInstance: task ${arnId(task.taskArn)} of the group service:web is there already`,
    );
  });
});

describe('the nearest instance', () => {
  function nearestOf(instances: ContainerInstance[], request: Wanted, occupying: Occupant[] = []): string[] {
    return reportPlacement(aRequest(request), instances, occupying).nearest.map(({ hostname }) => hostname);
  }

  it('is the one that got furthest before a filter said no', () => {
    const silent = aContainerInstance({ hostname: 'silent', agentConnected: false });
    const small = aContainerInstance({ hostname: 'small', resources: { memoryMiB: 10 } });
    const draining = aContainerInstance({ hostname: 'draining', status: 'DRAINING' });
    expect(nearestOf([silent, draining, small], {})).toEqual(['small', 'silent', 'draining']);
  });

  it('among equals lacks least', () => {
    const instances = [900, 100, 2000, 1500].map((memoryMiB) =>
      aContainerInstance({ hostname: `host-${memoryMiB}`, resources: { memoryMiB } }),
    );
    expect(nearestOf(instances, { resources: { memoryMiB: 2048 } })).toEqual(['host-2000', 'host-1500', 'host-900']);
  });

  it('among equals has the fewest other reasons', () => {
    const both = aContainerInstance({ hostname: 'both', resources: { cpu: 99, memoryMiB: 10 } });
    const one = aContainerInstance({ hostname: 'one', resources: { cpu: 10 } });
    expect(nearestOf([both, one], {})).toEqual(['one', 'both']);
  });
});

describe('the report', () => {
  it('counts each instance once, by the filter that says no first, in the order of the filters', () => {
    const instances = [
      aContainerInstance({ resources: { memoryMiB: 10 } }),
      aContainerInstance({ resources: { memoryMiB: 10, cpu: 10 } }),
      aContainerInstance({ agentConnected: false, resources: { cpu: 10 } }),
      aContainerInstance({ resources: { memoryMiB: 20 } }),
      aContainerInstance(),
    ];
    expect(reportPlacement(aRequest(), instances, [])).toMatchObject({
      instances: 5,
      fitting: 1,
      refusals: [
        { filter: 'agent', reason: 'AGENT', count: 1, text: '1 instance has a disconnected agent' },
        { filter: 'RESOURCE:CPU', count: 1 },
        { filter: 'RESOURCE:MEMORY', count: 2, text: '2 instances have insufficient memory' },
      ],
    });
  });

  it('of a cluster without instances is empty', () => {
    expect(reportPlacement(aRequest(), [], [])).toEqual({ instances: 0, fitting: 0, refusals: [], nearest: [] });
  });

  it('of thousands of instances stays small', () => {
    const instances = Array.from({ length: 3000 }, () => aContainerInstance({ resources: { memoryMiB: 10 } }));
    const report: PlacementReport = reportPlacement(aRequest(), instances, []);
    expect(report.nearest).toHaveLength(3);
    expect(JSON.stringify(report).length).toBeLessThan(2000);
  });

  it('refuses exactly what placement refuses', () => {
    const instances = [
      aContainerInstance({ status: 'DRAINING' }),
      aContainerInstance({ resources: { cpu: 99 } }),
      aContainerInstance({ health: { status: 'IMPAIRED', updatedAt: 0, changedAt: 0 } }),
    ];
    const { refused } = place(aRequest(), instances, [], seededRandom(1));
    const { refusals, fitting } = reportPlacement(aRequest(), instances, []);
    expect(fitting).toBe(0);
    expect(refusals.map(({ reason }) => reason).toSorted()).toEqual(
      (refused?.failures ?? []).map(({ reason }) => reason).toSorted(),
    );
  });
});
