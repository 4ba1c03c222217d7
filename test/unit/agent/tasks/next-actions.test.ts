/** What a task runner is told to do next: start order, stop order, waiting and its reasons, cleaning up. */
import { describe, expect, it } from 'vitest';
import { containerNamed, type AgentTask } from '#agent/tasks/agent-task.ts';
import { applyFact, type TaskFact } from '#agent/tasks/facts.ts';
import { nextActions, type Decision, type Situation } from '#agent/tasks/next-actions.ts';
import { anAgentTask, anObservation } from '#test/support/builders/an-agent-task.ts';

const calm: Situation = {
  busy: new Map(),
  unverified: new Set(),
  retries: new Map(),
  admission: { admitted: true },
  defaultStopTimeout: 30,
  cleanUp: false,
};
const userStop: TaskFact = {
  kind: 'stopWanted',
  assignmentNumber: 2,
  cause: { stopCode: 'UserInitiated', reason: 'Task stopped by user' },
};

function decide(task: AgentTask, situation: Partial<Situation> = {}, now = 5000): Decision {
  return nextActions(task, { ...calm, ...situation }, now);
}

/** e.g. `pull app`. */
function steps(decision: Decision): string[] {
  return decision.actions.map((action) => `${action.kind} ${'container' in action ? action.container : action.volume}`);
}

function knowing(task: AgentTask, ...facts: TaskFact[]): AgentTask {
  return facts.reduce((current, fact) => applyFact(current, fact, 5000), task);
}

function pulled(container: string): TaskFact {
  return { kind: 'pulled', container };
}

function running(container: string, changes: Parameters<typeof anObservation>[0] = {}): TaskFact {
  return { kind: 'observed', container, observation: anObservation(changes) };
}

function exited(container: string, exitCode: number): TaskFact {
  return { kind: 'observed', container, observation: anObservation({ state: 'exited', exitCode }) };
}

describe('starting', () => {
  it('pulls, launches, and then has nothing to do', () => {
    const task = anAgentTask();
    expect(decide(task).actions).toEqual([{ kind: 'pull', container: 'app', image: 'berth-test:busybox' }]);
    expect(steps(decide(knowing(task, pulled('app'))))).toEqual(['launch app']);
    expect(steps(decide(knowing(task, running('app'))))).toEqual([]);
  });

  it('starts what exists already instead of creating it again', () => {
    const created = running('app', { state: 'created' });
    expect(steps(decide(knowing(anAgentTask(), created)))).toEqual(['start app']);
  });

  it('looks before it decides when containers may have changed', () => {
    expect(steps(decide(anAgentTask(), { unverified: new Set(['app']) }))).toEqual(['inspect app']);
  });

  it('does one thing at a time with one container', () => {
    expect(steps(decide(anAgentTask(), { busy: new Map([['container:app', 'pull']]) }))).toEqual([]);
  });

  it('waits for room, with the reason, and pulls meanwhile', () => {
    const admission = { admitted: false, why: 'waiting for RESOURCE:MEMORY' } as const;
    expect(steps(decide(anAgentTask(), { admission }))).toEqual(['pull app']);
    const decision = decide(knowing(anAgentTask(), pulled('app')), { admission });
    expect(steps(decision)).toEqual([]);
    expect(decision.waiting.get('app')).toBe('waiting for RESOURCE:MEMORY');
  });

  it('tries again what could not be asked, when it is time', () => {
    const retries = new Map([['container:app', { at: 6000, why: 'the container engine cannot be reached' }]]);
    const early = decide(anAgentTask(), { retries });
    expect(steps(early)).toEqual([]);
    expect(early.wakeAt).toBe(6000);
    expect(early.waiting.get('app')).toBe('the container engine cannot be reached');
    expect(steps(decide(anAgentTask(), { retries }, 6000))).toEqual(['pull app']);
  });

  it('makes volumes before the containers', () => {
    const task = anAgentTask({
      containers: [{ name: 'app', mountPoints: [{ sourceVolume: 'data', containerPath: '/data' }] }],
      definition: { volumes: [{ name: 'data' }] },
    });
    expect(steps(decide(task))).toEqual(['createVolume data', 'pull app']);
    const waiting = decide(knowing(task, pulled('app')), { busy: new Map([['volume:data', 'createVolume']]) });
    expect(steps(waiting)).toEqual([]);
    expect(waiting.waiting.get('app')).toBe('waiting for volume data');
    const ready = knowing(task, pulled('app'), { kind: 'volumeCreated', volume: 'data' });
    expect(steps(decide(ready))).toEqual(['launch app']);
  });
});

describe('dependencies', () => {
  const condition = (name: 'START' | 'COMPLETE' | 'SUCCESS' | 'HEALTHY', startTimeout?: number) =>
    knowing(
      anAgentTask({
        containers: [
          {
            name: 'db',
            essential: false,
            healthCheck: { command: ['CMD', 'true'] },
            ...(startTimeout === undefined ? {} : { startTimeout }),
          },
          { name: 'app', dependsOn: [{ containerName: 'db', condition: name }] },
        ],
      }),
      pulled('db'),
      pulled('app'),
    );

  it.each([
    ['START', running('db'), true],
    ['START', exited('db', 1), true],
    ['COMPLETE', running('db'), false],
    ['COMPLETE', exited('db', 1), true],
    ['SUCCESS', running('db'), false],
    ['SUCCESS', exited('db', 0), true],
    ['HEALTHY', running('db'), false],
    ['HEALTHY', running('db', { health: 'UNHEALTHY' }), false],
    ['HEALTHY', running('db', { health: 'HEALTHY' }), true],
  ] as const)('%s after %o: met %s', (name, fact, met) => {
    const decision = decide(knowing(condition(name), fact));
    expect(steps(decision)).toEqual(met ? ['launch app'] : []);
    if (!met) expect(decision.waiting.get('app')).toBe(`waiting for container db (${name})`);
  });

  it('of SUCCESS that failed end the dependent with 143 and the task with the reason', () => {
    const { task } = decide(knowing(condition('SUCCESS'), exited('db', 1)));
    const reason = 'TaskDependencyError: dependency on db (SUCCESS) cannot be met: it exited with 1';
    expect(containerNamed(task, 'app')?.phase).toMatchObject({ name: 'STOPPED', exitCode: 143, reason });
    expect(task).toMatchObject({ stop: { stopCode: 'TaskFailedToStart', reason }, stoppedAt: 5000 });
  });

  it.each(['COMPLETE', 'SUCCESS', 'HEALTHY'] as const)('of %s end when the startTimeout is over', (name) => {
    const waiting = knowing(condition(name, 10), running('db'));
    expect(decide(waiting, {}, 12_999).wakeAt).toBe(13_000);
    const { task, actions } = decide(waiting, {}, 13_000);
    expect(containerNamed(task, 'app')?.phase).toMatchObject({ name: 'STOPPED', exitCode: 143 });
    expect(actions).toEqual([{ kind: 'stop', container: 'db', timeoutSeconds: 30 }]);
  });

  it.each([
    [
      'a circle',
      [
        { name: 'a', links: ['b'] },
        { name: 'b', links: ['a'] },
      ],
      'in a circle: a -> b -> a',
    ],
    ['a stranger', [{ name: 'a', links: ['c:db'] }], 'depends on c, which is not in the task definition'],
    [
      'HEALTHY without a health check',
      [{ name: 'a' }, { name: 'b', dependsOn: [{ containerName: 'a', condition: 'HEALTHY' as const }] }],
      'has no health check',
    ],
  ])('on %s end the task before anything is pulled', (_, containers, text) => {
    const { task, actions } = decide(anAgentTask({ containers }));
    expect(actions).toEqual([]);
    expect(task.stop?.reason).toMatch(/^TaskDependencyError: /);
    expect(task.stop?.reason).toContain(text);
    expect(task.stoppedAt).toBeDefined();
  });
});

describe('stopping', () => {
  const chain = anAgentTask({
    containers: [
      { name: 'db', stopTimeout: 5 },
      { name: 'app', links: ['db'] },
    ],
  });

  it('goes against the order of the start, each with its own time', () => {
    const stopping = knowing(chain, running('db'), running('app'), userStop);
    const first = decide(stopping);
    expect(first.actions).toEqual([{ kind: 'stop', container: 'app', timeoutSeconds: 30 }]);
    expect(first.waiting.get('db')).toBe('stops after app');
    const second = decide(knowing(stopping, exited('app', 0)));
    expect(second.actions).toEqual([{ kind: 'stop', container: 'db', timeoutSeconds: 5 }]);
    expect(knowing(stopping, exited('app', 0), exited('db', 0)).stoppedAt).toBe(5000);
  });

  it('ends at once what never ran, and calls off its pull', () => {
    const { task, actions } = decide(knowing(anAgentTask(), userStop));
    expect(actions).toEqual([]);
    expect(task.stoppedAt).toBe(5000);
    const pulling = decide(knowing(anAgentTask(), userStop), { busy: new Map([['container:app', 'pull']]) });
    expect(pulling.actions).toEqual([{ kind: 'cancelPull', container: 'app' }]);
    expect(pulling.task.stoppedAt).toBeUndefined();
  });

  it('waits for a start under way, because the container may come up', () => {
    const created = knowing(anAgentTask(), running('app', { state: 'created' }), userStop);
    expect(decide(created, { busy: new Map([['container:app', 'launch']]) }).task.stoppedAt).toBeUndefined();
  });

  it('takes the others along when an essential container ends', () => {
    expect(steps(decide(knowing(chain, running('db'), running('app'), exited('db', 1))))).toEqual(['stop app']);
  });
});

describe('after the end', () => {
  const ended = knowing(anAgentTask(), running('app'), exited('app', 0));

  it('does nothing until it may clean up', () => {
    expect(decide(ended)).toMatchObject({ actions: [], finished: false });
  });

  it('removes the containers, then the volumes, then nothing is left', () => {
    const task = anAgentTask({
      containers: [{ name: 'app', mountPoints: [{ sourceVolume: 'data', containerPath: '/data' }] }],
      definition: { volumes: [{ name: 'data' }] },
    });
    const over = knowing(task, { kind: 'volumeCreated', volume: 'data' }, running('app'), exited('app', 0));
    expect(steps(decide(over, { cleanUp: true }))).toEqual(['remove app']);
    const removed = knowing(over, { kind: 'removed', container: 'app' });
    expect(steps(decide(removed, { cleanUp: true }))).toEqual(['removeVolume data']);
    const empty = knowing(removed, { kind: 'volumeRemoved', volume: 'data' });
    expect(decide(empty, { cleanUp: true })).toMatchObject({ actions: [], finished: true });
  });

  it('stops again, once, what somebody has started again', () => {
    const reappeared = knowing(ended, running('app'));
    expect(steps(decide(reappeared))).toEqual(['stop app']);
    const stopped = knowing(reappeared, { kind: 'stoppedAgain', container: 'app' }, running('app'));
    expect(steps(decide(stopped))).toEqual([]);
  });
});
