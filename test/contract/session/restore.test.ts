/** Either side comes back from a backup: agents win for facts, control for what is wanted, and nothing is stopped by mistake (S6, S7). */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createSimpleAgent, type SimpleAgent } from '#test/support/simple-agent.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';
import { seededRandom } from '#lib/random.ts';

let control: SessionsUnderTest;
let restored: SessionsUnderTest;
let agent: SimpleAgent;
let serving: SessionsUnderTest;

beforeEach(async () => {
  control = await startSessions();
  restored = await startSessions();
  serving = control;
  agent = createSimpleAgent({
    clock: control.clock,
    accept: () => serving.sessions.accept,
    random: seededRandom(7),
  });
  await advance(1000);
});

afterEach(async () => {
  agent.stop();
  await advance(10);
  await control.dispose();
  await restored.dispose();
});

/** Two controls mean two clocks; both go on together. */
async function advance(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    await control.clock.advance(10);
    await restored.clock.advance(10);
  }
  await serving.settle();
}

it('control from a backup: what it forgot runs on, what lags is told again, what is wanted is done', async () => {
  const running = await control.place();
  const halfway = await control.place();
  const instance = await control.instance();
  const rows = [await control.task(running.taskArn), await control.task(halfway.taskArn)];
  // After the backup: both tasks run, and two more are placed.
  const forgotten = [await control.place(), await control.place()];
  await advance(1000);
  for (const { taskArn } of [running, halfway, ...forgotten]) {
    expect((await control.task(taskArn)).lastStatus).toBe('RUNNING');
  }

  await restored.store.write(async (tx) => {
    await tx.containerInstances.put(instance);
    for (const row of rows) await tx.tasks.put({ ...row, lastStatus: 'PENDING', stateChangeNumber: 0 });
  });
  serving = restored;
  agent.network.current?.cut();
  await advance(5000);

  expect(agent.session.state.name).toBe('serving');
  for (const { taskArn } of [running, halfway]) expect((await restored.task(taskArn)).lastStatus).toBe('RUNNING');
  for (const { taskArn } of forgotten) expect(agent.memory.tasks.get(taskArn)).toMatchObject({ ended: false });
  expect((await restored.instance()).forgottenAssignments).toEqual([{ after: 2, upTo: 4 }]);

  // New work is numbered above everything the agent has seen, a later session forgets nothing of this, and stops are still obeyed.
  const next = await restored.place();
  await restored.requestStop(running.taskArn);
  agent.network.current?.cut();
  await advance(5000);
  expect((await restored.task(next.taskArn)).lastStatus).toBe('RUNNING');
  expect((await restored.task(running.taskArn)).lastStatus).toBe('STOPPED');
  for (const { taskArn } of forgotten) expect(agent.memory.tasks.get(taskArn)).toMatchObject({ ended: false });
});

it('an agent whose journal is older than what control knows is not taken for a replay', async () => {
  const { taskArn } = await control.place();
  await advance(1000);
  const row = await control.task(taskArn);
  await control.store.write((tx) => tx.tasks.put({ ...row, stateChangeNumber: 90 }));
  agent.restart();
  await advance(1000);
  agent.exit(taskArn);
  await advance(1000);
  expect((await control.task(taskArn)).lastStatus).toBe('STOPPED');
});
