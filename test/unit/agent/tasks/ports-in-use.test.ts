/** Which listeners of the host are a task's own, so that they are not registered as taken by others. */
import { describe, expect, it } from 'vitest';
import { portsInUse } from '#agent/tasks/agent-task.ts';
import { applyFact } from '#agent/tasks/facts.ts';
import { anAgentTask, anObservation } from '#test/support/builders/an-agent-task.ts';

const bindings = [{ bindIP: '0.0.0.0', containerPort: 80, hostPort: 32_768, protocol: 'tcp' as const }];

describe("a task's ports", () => {
  it('are those its running containers were given', () => {
    const task = anAgentTask();
    const observation = anObservation({ networkBindings: bindings });
    const running = applyFact(task, { kind: 'observed', container: 'app', observation }, 1);
    expect(portsInUse(task)).toEqual([]);
    expect(portsInUse(running)).toEqual([{ port: 32_768, protocol: 'tcp' }]);
    expect(portsInUse(applyFact(running, { kind: 'missing', container: 'app' }, 1))).toEqual([]);
  });

  it('are the announced ones in host mode', () => {
    const task = anAgentTask({
      containers: [{ name: 'app', portMappings: [{ containerPort: 53, protocol: 'udp' }] }],
      definition: { networkMode: 'host' },
    });
    const running = applyFact(task, { kind: 'observed', container: 'app', observation: anObservation() }, 1);
    expect(portsInUse(running)).toEqual([{ port: 53, protocol: 'udp' }]);
  });
});
