/**
 * Both real ends against each other over a link that delays, duplicates, reorders and breaks. Whatever happens, once the faults stop both sides say
 * the same (S2, S7), no status ever goes back (S8), and nothing stops that nobody stopped (S5, S9).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSimpleAgent, type MixUps } from '#test/support/simple-agent.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';
import { seededRandom } from '#lib/random.ts';
import { taskStatusRank, type Task } from '#model/task.ts';

type Step =
  | { readonly kind: 'place' }
  | { readonly kind: 'stop'; readonly which: number }
  | { readonly kind: 'exit'; readonly which: number }
  | { readonly kind: 'cut' | 'freeze' | 'freezeOneWay' | 'restartAgent' }
  | { readonly kind: 'wait'; readonly ms: number };

/** Every row ever committed is at or past what it was. */
function watchRows(control: SessionsUnderTest): { check(): Promise<void> } {
  const last = new Map<string, Task>();
  return {
    async check() {
      for (const row of await control.store.read((tx) => tx.tasks.all({}))) {
        const before = last.get(row.taskArn);
        if (before !== undefined) {
          expect(taskStatusRank(row.lastStatus)).toBeGreaterThanOrEqual(taskStatusRank(before.lastStatus));
          expect(row.stateChangeNumber).toBeGreaterThanOrEqual(before.stateChangeNumber);
          if (before.desiredStatus === 'STOPPED') expect(row.desiredStatus).toBe('STOPPED');
        }
        last.set(row.taskArn, row);
      }
    },
  };
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ kind: 'place' }) },
  { weight: 2, arbitrary: fc.nat({ max: 9 }).map((which): Step => ({ kind: 'stop', which })) },
  { weight: 1, arbitrary: fc.nat({ max: 9 }).map((which): Step => ({ kind: 'exit', which })) },
  { weight: 3, arbitrary: fc.constantFrom<Step>({ kind: 'cut' }, { kind: 'restartAgent' }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: 'freeze' }, { kind: 'freezeOneWay' }) },
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 20_000 }).map((ms): Step => ({ kind: 'wait', ms })) },
);
const faults = fc.record({ delays: fc.boolean(), duplicates: fc.boolean(), reorders: fc.boolean() });

async function runHistory(steps: readonly Step[], kinds: MixUps, seed: number): Promise<void> {
  const control = await startSessions();
  const { clock } = control;
  let faulty = false;
  const agent = createSimpleAgent({
    clock,
    accept: () => control.sessions.accept,
    random: seededRandom(seed),
    mixUps: () => (faulty ? kinds : {}),
  });
  const rows = watchRows(control);
  const placed: string[] = [];
  const ended = new Set<string>();
  try {
    await clock.advanceUntil(() => agent.session.state.name === 'serving', 10_000);
    faulty = true;
    for (const each of steps) {
      await takeStep(each);
      await rows.check();
    }
    faulty = false;
    await clock.advance(300_000);
    await control.settle();
    await rows.check();

    expect(agent.session.state.name).toBe('serving');
    for (const taskArn of placed) {
      const row = await control.task(taskArn);
      const known = agent.memory.tasks.get(taskArn);
      expect([row.desiredStatus, row.lastStatus]).toEqual(
        ended.has(taskArn) ? ['STOPPED', 'STOPPED'] : ['RUNNING', 'RUNNING'],
      );
      expect(known?.ended).toBe(ended.has(taskArn));
    }
    expect(agent.memory.unacknowledged()).toBe(0);
    expect(agent.memory.tasks.size).toBe(placed.length);
    expect(await control.instance()).toMatchObject({ agentConnected: true });
    await expectQuiet();
  } finally {
    agent.stop();
    await clock.advance(1);
    await control.dispose();
  }

  async function takeStep(each: Step): Promise<void> {
    const taskArn = 'which' in each ? placed[each.which % Math.max(placed.length, 1)] : undefined;
    switch (each.kind) {
      case 'place':
        placed.push((await control.place()).taskArn);
        return;
      case 'stop':
        if (taskArn === undefined) return;
        ended.add(taskArn);
        if ((await control.task(taskArn)).desiredStatus === 'RUNNING') await control.requestStop(taskArn);
        return;
      case 'exit':
        if (taskArn === undefined || !agent.memory.tasks.has(taskArn)) return;
        ended.add(taskArn);
        agent.exit(taskArn);
        return;
      case 'cut':
        agent.network.current?.cut();
        return;
      case 'freeze':
        agent.network.current?.freeze();
        return;
      case 'freezeOneWay':
        agent.network.current?.freeze('toAgent');
        return;
      case 'restartAgent':
        agent.restart();
        return;
      case 'wait':
        await clock.advance(each.ms);
        return;
    }
  }

  /** With no input, writes stop. */
  async function expectQuiet(): Promise<void> {
    let writes = 0;
    const unsubscribe = control.store.subscribe(() => (writes += 1));
    await clock.advance(120_000);
    unsubscribe();
    expect(writes).toBe(0);
  }
}

describe('control and agent', () => {
  it('agree after any history of placements, stops, exits, cuts, stalls, restarts and mixed-up messages', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), faults, fc.integer(), runHistory),
      { numRuns: 60, interruptAfterTimeLimit: 40_000 },
    );
  });

  it('carry a task to RUNNING in one exchange each way', async () => {
    const control = await startSessions();
    const agent = createSimpleAgent({
      clock: control.clock,
      accept: () => control.sessions.accept,
      random: { next: () => 0 },
    });
    await control.clock.advance(100);
    const before = control.clock.now();
    const { taskArn } = await control.place();
    await control.clock.advanceUntil(async () => (await control.task(taskArn)).lastStatus === 'RUNNING', 1000);
    expect(control.clock.now() - before).toBeLessThanOrEqual(2);
    agent.stop();
    await control.clock.advance(1);
    await control.dispose();
  });
});
