/** A fleet that restarts all at once, as after a power cut: nothing collapses, everybody comes back. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nextTry } from '#agent/session/reconnect.ts';
import { mostRegistrationsAtOnce } from '#control/sessions/sessions.ts';
import { seededRandom } from '#lib/random.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';
import { aHello, connectFakeAgent, type FakeAgent } from '#test/support/fake-agent.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';

let control: SessionsUnderTest;
beforeEach(async () => {
  control = await startSessions();
});
afterEach(() => control.dispose());

function arrive(number: number): FakeAgent {
  const agent = connectFakeAgent({ clock: control.clock, sessions: control.sessions });
  agent.send(aHello({ machineId: `machine-${number}`, fingerprint: `fingerprint-${number}` }));
  return agent;
}

describe('a fleet that restarts all at once', () => {
  it('is registered a bounded number at a time; the others are told to come again', async () => {
    const gate = Promise.withResolvers<void>();
    control.storeGate = gate.promise;
    const fleet = Array.from({ length: mostRegistrationsAtOnce + 100 }, (_, number) => arrive(number));
    await control.clock.advance(0);
    const refused = fleet.filter(({ closed }) => closed !== undefined);
    expect(refused).toHaveLength(100);
    expect(refused.every(({ closed }) => closed?.code === closeCodes.tryAgainLater)).toBe(true);
    control.storeGate = undefined;
    gate.resolve();
    await control.settle();
    expect(control.sessions.connected()).toBe(mostRegistrationsAtOnce);
    refused.forEach((_, index) => arrive(mostRegistrationsAtOnce + index));
    await control.settle();
    expect(control.sessions.connected()).toBe(fleet.length);
  });

  it('spreads by its back-off: a thousand agents that lost control for a minute are back within two, fifty a second at most', () => {
    const [agents, awayMs] = [1000, 60_000];
    const arrivals: number[] = [];
    for (let seed = 1; seed <= agents; seed += 1) {
      const random = seededRandom(seed);
      let [now, attempt] = [0, 0];
      while (now < awayMs) {
        const next = nextTry({ servedMs: 0, attempt, troubleMs: now }, random);
        if (next.kind === 'never') throw new Error('gave up');
        now += next.afterMs;
        ({ attempt } = next);
      }
      arrivals.push(now - awayMs);
    }
    const perSecond = [...Map.groupBy(arrivals, (at) => Math.floor(at / 1000)).values()].map(({ length }) => length);
    expect(Math.max(...perSecond)).toBeLessThanOrEqual(50);
    expect(Math.max(...arrivals)).toBeLessThanOrEqual(120_000);
  });
});
