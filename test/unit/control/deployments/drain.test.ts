/** What is left on a DRAINING container instance, and why; docs/dead-hosts.md. */
import { describe, expect, it } from 'vitest';
import { drainProgress, type DrainView } from '#control/deployments/drain.ts';
import type { Service } from '#model/service.ts';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { aDeployment } from '#test/support/builders/a-deployment.ts';
import { aService } from '#test/support/builders/a-service.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { builtAt } from '#test/support/builders/unique.ts';

const now = builtAt + 60_000;

function progress(view: Partial<DrainView>, services: readonly Service[] = []): string {
  const instance = aContainerInstance({ status: 'DRAINING', drainingSince: builtAt });
  const named = new Map(services.map((service) => [service.serviceName, service]));
  return drainProgress({ instance, tasks: [], services: named, othersEligible: true, ...view }, now);
}

function waitingService(reason: string): Service {
  return aService({ deployments: [aDeployment({ waiting: { reason } })] });
}

describe('the progress of a drain', () => {
  it('is complete when no task is left', () => {
    expect(progress({ tasks: [aTask({ lastStatus: 'STOPPED' })] })).toBe('Draining is complete: no task is left');
  });

  it('names each task with what it waits for', () => {
    const tasks = [
      aTask({ desiredStatus: 'STOPPED' }),
      aTask(),
      aTask({ serviceName: 'web', protectedUntil: now + 3_600_000 }),
      aTask({ serviceName: 'logs' }),
      aTask({ serviceName: 'other' }),
    ];
    const logs = aService({ serviceName: 'logs', schedulingStrategy: 'DAEMON' });
    const text = progress({ tasks }, [aService(), logs, aService({ serviceName: 'other' })]);
    const parts = text.split('; ');
    expect(parts[0]).toBe('Draining: 5 tasks are left');
    expect(parts[1]).toMatch(/^task \w{12} is stopping$/);
    expect(parts[2]).toMatch(/^task \w{12} belongs to no service and is waited for$/);
    expect(parts[3]).toMatch(/^task \w{12} of service web is protected until 2\d{3}-\d\d-\d\d .* UTC$/);
    expect(parts[4]).toMatch(/of service logs is a daemon and leaves last$/);
    expect(parts[5]).toMatch(/of service other is being replaced$/);
  });

  it('says that the percentages allow nothing, in the words of the deployment', () => {
    const service = waitingService('a deployment configuration that lets tasks stop or start');
    expect(progress({ tasks: [aTask({ serviceName: 'web' })] }, [service])).toContain(
      'of service web waits for a deployment configuration that lets tasks stop or start',
    );
  });

  it('explains itself when the last eligible instance is drained', () => {
    const service = waitingService('a container instance that meets the requirements of its tasks');
    const text = progress({ tasks: [aTask({ serviceName: 'web' })], othersEligible: false }, [service]);
    expect(text).toContain('no other container instance of the cluster is ACTIVE and connected');
    expect(text).toContain('waits for a container instance that meets the requirements of its tasks');
  });

  it('tells its deadline, and that nothing is known of a silent instance', () => {
    const tags = [{ key: 'berth:drain-deadline', value: '1h' }];
    const instance = aContainerInstance({ status: 'DRAINING', drainingSince: builtAt, agentConnected: false, tags });
    const text = progress({ instance, tasks: [aTask()] });
    expect(text).toContain('its agent is silent');
    expect(text).toMatch(/what is left is stopped at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/);
  });

  it('names twenty tasks at most', () => {
    const text = progress({ tasks: Array.from({ length: 25 }, () => aTask()) });
    expect(text.split('; ')).toHaveLength(22);
    expect(text).toMatch(/; and 5 more$/);
  });
});
