/** The container table of docs/task-lifecycle.md, and what follows for the task. */
import { describe, expect, it } from 'vitest';
import { containerNamed, containerPhases, type AgentTask, type ContainerPhaseName } from '#agent/tasks/agent-task.ts';
import { applyFact, type TaskFact } from '#agent/tasks/facts.ts';
import { anAgentTask, anObservation } from '#test/support/builders/an-agent-task.ts';

const facts = {
  pulled: { kind: 'pulled', container: 'app', imageDigest: 'sha256:d' },
  created: { kind: 'created', container: 'app', engineId: 'engine-id' },
  'seen created': {
    kind: 'observed',
    container: 'app',
    observation: anObservation({ state: 'created' }),
  },
  'seen running': { kind: 'observed', container: 'app', observation: anObservation() },
  'seen exited': {
    kind: 'observed',
    container: 'app',
    observation: anObservation({ state: 'exited', exitCode: 7, finishedAt: 4000 }),
  },
  missing: { kind: 'missing', container: 'app' },
  'pull failed': { kind: 'failed', container: 'app', step: 'pull', error: { kind: 'not-found', message: 'no' } },
  'create failed': { kind: 'failed', container: 'app', step: 'create', error: { kind: 'invalid', message: 'no' } },
  'start failed': { kind: 'failed', container: 'app', step: 'start', error: { kind: 'port-conflict', message: 'no' } },
  'stop failed': { kind: 'failed', container: 'app', step: 'stop', error: { kind: 'internal', message: 'no' } },
} as const satisfies Record<string, TaskFact>;

type FactName = keyof typeof facts;

/** `same`: the fact says nothing new. */
const table: Record<ContainerPhaseName, Record<FactName, ContainerPhaseName | 'same'>> = {
  NONE: {
    pulled: 'PULLED',
    created: 'CREATED',
    'seen created': 'CREATED',
    'seen running': 'RUNNING',
    'seen exited': 'STOPPED',
    missing: 'same',
    'pull failed': 'STOPPED',
    'create failed': 'STOPPED',
    'start failed': 'STOPPED',
    'stop failed': 'STOPPED',
  },
  PULLED: {
    pulled: 'same',
    created: 'CREATED',
    'seen created': 'CREATED',
    'seen running': 'RUNNING',
    'seen exited': 'STOPPED',
    missing: 'same',
    'pull failed': 'STOPPED',
    'create failed': 'STOPPED',
    'start failed': 'STOPPED',
    'stop failed': 'STOPPED',
  },
  CREATED: {
    pulled: 'same',
    created: 'same',
    'seen created': 'same',
    'seen running': 'RUNNING',
    'seen exited': 'STOPPED',
    missing: 'STOPPED',
    'pull failed': 'STOPPED',
    'create failed': 'STOPPED',
    'start failed': 'STOPPED',
    'stop failed': 'STOPPED',
  },
  RUNNING: {
    pulled: 'same',
    created: 'same',
    'seen created': 'same',
    'seen running': 'same',
    'seen exited': 'STOPPED',
    missing: 'STOPPED',
    'pull failed': 'same',
    'create failed': 'same',
    'start failed': 'same',
    'stop failed': 'STOPPED',
  },
  STOPPED: {
    pulled: 'same',
    created: 'same',
    'seen created': 'same',
    'seen running': 'STOPPED',
    'seen exited': 'same',
    missing: 'same',
    'pull failed': 'same',
    'create failed': 'same',
    'start failed': 'same',
    'stop failed': 'same',
  },
};

const wayTo: Record<ContainerPhaseName, readonly FactName[]> = {
  NONE: [],
  PULLED: ['pulled'],
  CREATED: ['created'],
  RUNNING: ['seen running'],
  STOPPED: ['seen running', 'seen exited'],
};

function after(names: readonly FactName[], task: AgentTask = anAgentTask()): AgentTask {
  return names.reduce((current, name) => applyFact(current, facts[name], 5000), task);
}

function phase(task: AgentTask) {
  return containerNamed(task, 'app')?.phase;
}

describe('a container', () => {
  for (const from of containerPhases) {
    it.each(Object.entries(table[from]))(`${from}, %s: %s`, (fact, expected) => {
      const before = after(wayTo[from]);
      const changed = applyFact(before, facts[fact as FactName], 6000);
      if (expected === 'same') expect(changed).toBe(before);
      else expect(phase(changed)?.name).toBe(expected);
    });
  }

  it('keeps its exit code, its times and its engine id when it has ended', () => {
    expect(phase(after(['seen running', 'seen exited']))).toMatchObject({
      name: 'STOPPED',
      engineId: 'engine-id',
      exitCode: 7,
      startedAt: 3000,
      stoppedAt: 4000,
    });
  });

  it('is out of memory only when it does not run any more', () => {
    const running = after(['seen running']);
    const childKilled = anObservation({ oomKilled: true });
    expect(applyFact(running, { kind: 'observed', container: 'app', observation: childKilled }, 1)).toBe(running);
    const killed = anObservation({ state: 'exited', exitCode: 137, oomKilled: true });
    const ended = applyFact(running, { kind: 'observed', container: 'app', observation: killed }, 1);
    expect(phase(ended)).toMatchObject({ reason: 'OutOfMemoryError: Container killed due to memory usage' });
  });

  it('is not out of memory when a child was and it went on to a good or a wanted end', () => {
    const running = after(['seen running']);
    const stopping = applyFact(
      running,
      { kind: 'stopWanted', assignmentNumber: 2, cause: { stopCode: 'UserInitiated', reason: 'enough' } },
      1,
    );
    for (const [task, exitCode] of [
      [running, 0],
      [stopping, 137],
    ] as const) {
      const observation = anObservation({ state: 'exited', exitCode, oomKilled: true });
      expect(phase(applyFact(task, { kind: 'observed', container: 'app', observation }, 1))).not.toHaveProperty(
        'reason',
      );
    }
  });

  it('is as old as before when the clock was set, until it is started anew', () => {
    const startedAt = 1000;
    const seen = (task: AgentTask, at: number) =>
      applyFact(task, { kind: 'observed', container: 'app', observation: anObservation({ startedAt: at }) }, 1);
    const running = seen(after([]), startedAt);
    const set = applyFact(running, { kind: 'clockSet', byMs: 500 }, 1);
    expect(phase(set)).toMatchObject({ startedAt, clockSetMs: 500 });
    expect(seen(set, startedAt)).toBe(set);
    expect(phase(seen(set, 2000))).not.toHaveProperty('clockSetMs');
  });

  it('that was removed from outside says so', () => {
    expect(phase(after(['seen running', 'missing']))).toMatchObject({
      reason: 'ContainerVanishedError: the container was removed from outside',
    });
  });

  it('that is seen while it is being removed from outside says so too, with its exit code', () => {
    const removing = anObservation({ state: 'removing', exitCode: 137 });
    const seen = applyFact(after(['seen running']), { kind: 'observed', container: 'app', observation: removing }, 1);
    expect(phase(seen)).toMatchObject({
      name: 'STOPPED',
      exitCode: 137,
      reason: 'ContainerVanishedError: the container was removed from outside',
    });
  });

  it('that runs again after its end is to be stopped again, once', () => {
    const reappeared = after(['seen running', 'seen exited', 'seen running']);
    expect(phase(reappeared)).toMatchObject({ reappeared: 'to-stop' });
    const stopped = applyFact(reappeared, { kind: 'stoppedAgain', container: 'app' }, 1);
    expect(phase(stopped)).toMatchObject({ reappeared: 'stopped-again' });
    expect(applyFact(stopped, facts['seen running'], 1)).toBe(stopped);
  });

  it.each([
    ['pull failed', 'CannotPullContainerError: no'],
    ['create failed', 'CannotCreateContainerError: no'],
    ['start failed', 'CannotStartContainerError: no'],
    ['stop failed', 'CannotStopContainerError: no'],
  ] as const)('%s: the reason is %s', (fact, reason) => {
    expect(phase(after(['created', fact]))).toMatchObject({ name: 'STOPPED', reason });
  });

  it('whose engine call took too long says so', () => {
    const error = { kind: 'timeout', message: 'start took longer than 180 s' };
    const failed = applyFact(after(['created']), { kind: 'failed', container: 'app', step: 'start', error }, 1);
    expect(phase(failed)).toMatchObject({ reason: 'DockerTimeoutError: start took longer than 180 s' });
  });
});

describe('a task', () => {
  it('ends when its essential container has ended', () => {
    expect(after(['seen running', 'seen exited'])).toMatchObject({
      stop: { stopCode: 'EssentialContainerExited', reason: 'Essential container in task exited' },
      startedAt: 5000,
      executionStoppedAt: 4000,
      stoppedAt: 5000,
    });
  });

  it('failed to start when an essential container could not be started, and says why', () => {
    expect(after(['pulled', 'create failed']).stop).toEqual({
      stopCode: 'TaskFailedToStart',
      reason: 'CannotCreateContainerError: no',
    });
  });

  it('goes on when a container that is not essential ends', () => {
    const two = anAgentTask({ containers: [{ name: 'app', essential: false }, { name: 'web' }] });
    const ended = after(['seen running', 'seen exited'], two);
    expect(ended.stop).toBeUndefined();
    expect(ended.stoppedAt).toBeUndefined();
  });

  it('keeps its first cause', () => {
    const cause = { stopCode: 'UserInitiated', reason: 'Task stopped by user' } as const;
    const wanted = applyFact(after(['seen running']), { kind: 'stopWanted', assignmentNumber: 4, cause }, 1);
    expect(wanted).toMatchObject({ desiredStatus: 'STOPPED', assignmentNumber: 4, stop: cause });
    expect(after(['seen exited'], wanted).stop).toEqual(cause);
  });

  it('that has ended never changes by control', () => {
    const ended = after(['seen running', 'seen exited']);
    const cause = { stopCode: 'UserInitiated', reason: 'late' } as const;
    expect(applyFact(ended, { kind: 'stopWanted', assignmentNumber: 9, cause }, 1)).toBe(ended);
  });
});

describe('a restart policy', () => {
  const policy = { enabled: true, ignoredExitCodes: [7], restartAttemptPeriod: 60 };
  const task = anAgentTask({ containers: [{ name: 'app', restartPolicy: policy }] });

  function exit(from: AgentTask, exitCode: number, now: number, startedAt = 3000): AgentTask {
    const observation = anObservation({ state: 'exited', exitCode, startedAt, finishedAt: now });
    return applyFact(from, { kind: 'observed', container: 'app', observation }, now);
  }

  it('starts a container again that lived long enough, whatever its code', () => {
    const ended = exit(after(['seen running'], task), 0, 63_000);
    expect(phase(ended)).toMatchObject({ name: 'RUNNING', restartDue: { at: 63_000 } });
    expect(containerNamed(ended, 'app')?.restarts).toEqual({ count: 1, lastAt: 63_000 });
  });

  it.each([
    ['an ignored code', 7, 63_000],
    ['too early', 1, 62_000],
  ])('does not: %s', (_, exitCode, now) => {
    expect(phase(exit(after(['seen running'], task), exitCode, now))?.name).toBe('STOPPED');
  });

  it('counts from the last restart, and tells a new end from an old one', () => {
    const due = exit(after(['seen running'], task), 1, 63_000);
    expect(exit(due, 1, 63_001)).toBe(due);
    expect(phase(exit(due, 1, 64_000, 63_500))?.name).toBe('STOPPED');
  });

  it('with attempts for early ends waits longer each time, gives up, and begins anew after a long run', () => {
    const labelled = anAgentTask({
      containers: [{ name: 'app', restartPolicy: policy, dockerLabels: { 'berth.restart-attempts': '3' } }],
    });
    const delays: (number | undefined)[] = [];
    let current = after(['seen running'], labelled);
    for (let now = 10_000; phase(current)?.name === 'RUNNING'; now += 10_000) {
      current = exit(current, 1, now, now - 100);
      const { restarts } = containerNamed(current, 'app') ?? {};
      delays.push(phase(current)?.name === 'RUNNING' ? (restarts?.lastAt ?? 0) - now : undefined);
      const observation = anObservation({ startedAt: now + 5000 });
      current = applyFact(current, { kind: 'observed', container: 'app', observation }, now + 5000);
    }
    expect(delays).toEqual([1000, 2000, 4000, undefined]);
    const early = exit(after(['seen running'], labelled), 1, 10_000);
    const again = applyFact(
      early,
      { kind: 'observed', container: 'app', observation: anObservation({ startedAt: 11_000 }) },
      11_000,
    );
    expect(containerNamed(exit(again, 1, 90_000, 11_000), 'app')?.restarts).toEqual({ count: 2, lastAt: 90_000 });
  });

  it('counts an end once, also of runs too short to be seen', () => {
    const labels = { 'berth.restart-attempts': '3' };
    const labelled = anAgentTask({ containers: [{ name: 'app', restartPolicy: policy, dockerLabels: labels }] });
    const first = exit(after(['created'], labelled), 1, 10_000, 9000);
    expect(exit(first, 1, 10_001, 9000)).toBe(first);
    const second = exit(first, 1, 12_000, 11_500);
    expect(exit(second, 1, 12_001, 11_500)).toBe(second);
    expect(containerNamed(second, 'app')?.restarts).toEqual({ count: 2, lastAt: 14_000, earlyAttempts: 2 });
  });

  it('gives way to a task that stops', () => {
    const cause = { stopCode: 'UserInitiated', reason: 'enough' } as const;
    const running = after(['seen running'], task);
    const stopping = applyFact(running, { kind: 'stopWanted', assignmentNumber: 2, cause }, 1);
    expect(phase(exit(stopping, 1, 63_000))?.name).toBe('STOPPED');
  });
});
