/** What is reported of a task, and when it counts as RUNNING. */
import { describe, expect, it } from 'vitest';
import { applyFact, type TaskFact } from '#agent/tasks/facts.ts';
import { reportedStatus, taskSnapshot } from '#agent/tasks/task-state.ts';
import { anAgentTask, anObservation } from '#test/support/builders/an-agent-task.ts';

const pair = anAgentTask({
  containers: [
    { name: 'app', healthCheck: { command: ['CMD', 'true'] } },
    { name: 'side', essential: false },
  ],
});

function seen(container: string, changes: Parameters<typeof anObservation>[0] = {}): TaskFact {
  return { kind: 'observed', container, observation: anObservation(changes) };
}

function statusAfter(...facts: TaskFact[]) {
  return reportedStatus(facts.reduce((task, fact) => applyFact(task, fact, 5000), pair));
}

const exited = { state: 'exited', exitCode: 0 } as const;

describe('the reported status', () => {
  it.each([
    ['PENDING', []],
    ['PENDING', [seen('app')]],
    ['RUNNING', [seen('app'), seen('side')]],
    ['RUNNING', [seen('app'), seen('side', exited)]],
    ['STOPPING', [seen('app', exited)]],
    ['STOPPED', [seen('app', exited), seen('side', exited)]],
  ] as const)('%s', (status, facts) => {
    expect(statusAfter(...facts)).toBe(status);
  });
});

describe('a snapshot', () => {
  it('tells bindings, ids, health and what a container waits for', () => {
    const bindings = [{ bindIP: '0.0.0.0', containerPort: 80, hostPort: 32_768, protocol: 'tcp' as const }];
    const task = applyFact(pair, seen('app', { health: 'HEALTHY', networkBindings: bindings }), 5000);
    expect(taskSnapshot(task, new Map([['side', 'pulling x']]))).toEqual({
      taskArn: task.assignment.taskArn,
      lastStatus: 'PENDING',
      healthStatus: 'HEALTHY',
      containers: [
        {
          name: 'app',
          lastStatus: 'RUNNING',
          healthStatus: 'HEALTHY',
          runtimeId: 'engine-id',
          networkBindings: bindings,
        },
        { name: 'side', lastStatus: 'PENDING', healthStatus: 'UNKNOWN', networkBindings: [], reason: 'pulling x' },
      ],
    });
  });

  it('tells the announced ports in host mode, where the engine knows of none', () => {
    const host = anAgentTask({
      containers: [{ name: 'app', portMappings: [{ containerPort: 80 }] }],
      definition: { networkMode: 'host' },
    });
    expect(taskSnapshot(applyFact(host, seen('app'), 1), new Map()).containers[0]?.networkBindings).toEqual([
      { bindIP: '0.0.0.0', containerPort: 80, hostPort: 80, protocol: 'tcp' },
    ]);
  });

  it('keeps reasons within what ECS keeps', () => {
    const waiting = new Map([['side', 'x'.repeat(3000)]]);
    expect(taskSnapshot(pair, waiting).containers[1]?.reason).toHaveLength(1024);
  });
});
