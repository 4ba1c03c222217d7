/** How the agent's session begins, ends and begins again. docs/session.md S9, S10 and "Who may retry". */
import { describe, expect, it } from 'vitest';
import { makeAgentSession, serveAgentSession, hostFacts } from '#test/support/agent-session-under-test.ts';
import { aWelcome } from '#test/support/fake-control.ts';
import { createMemorySessionState } from '#test/support/memory-session-state.ts';
import { ConnectError } from '#agent/session/connector.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';
import { maximumMessageBytes } from '#protocol/session/messages.ts';

const anHour = 3_600_000;

describe('opening', () => {
  it('says who the machine is, what it has and what it runs, and saves what control calls it', async () => {
    const memory = createMemorySessionState();
    memory.report({ taskArn: 'arn:runs', lastStatus: 'RUNNING', healthStatus: 'UNKNOWN', containers: [] });
    memory.report({ taskArn: 'arn:ended', lastStatus: 'STOPPED', healthStatus: 'UNKNOWN', containers: [] });
    const { control, state } = await serveAgentSession({ memory });
    expect(control.last('hello')).toEqual({
      type: 'hello',
      protocolVersions: [1],
      cluster: 'default',
      machineId: 'machine-0001',
      incarnation: 'incarnation-0001',
      ...hostFacts,
      health: { status: 'OK' },
      assignmentNumber: 0,
      tasks: [{ taskArn: 'arn:runs', desiredStatus: 'RUNNING', assignmentNumber: 0 }],
    });
    expect(state.identity().containerInstanceArn).toBe(aWelcome().containerInstanceArn);
  });

  it('presents its ARN from then on', async () => {
    const { control, clock } = await serveAgentSession();
    control.network.current?.cut();
    await clock.advance(1000);
    expect(control.last('hello')?.containerInstanceArn).toBe(aWelcome().containerInstanceArn);
  });

  it.each([
    ['no welcome in ten seconds', () => undefined, closeCodes.heartbeatTimeout],
    ['another message instead', { type: 'heartbeat', sentAt: 0 } as const, closeCodes.invalidMessage],
    ['a version that it does not speak', aWelcome({ protocolVersion: 9 }), closeCodes.versionMismatch],
  ])('ends after %s', async (_case, answer, code) => {
    const { control, clock, session } = makeAgentSession({
      onMessage: (_message, self) => {
        if (typeof answer !== 'function') self.send(answer);
      },
    });
    session.start();
    await clock.advanceUntil(() => session.state.name === 'waiting', 11_000);
    await clock.advance(0);
    expect(control.closures[0]?.code).toBe(code);
  });

  it('is tried again when the host cannot be looked at', async () => {
    let looks = 0;
    const { clock, session } = makeAgentSession({
      host() {
        looks += 1;
        return looks === 1 ? Promise.reject(new Error('no /proc')) : Promise.resolve(hostFacts);
      },
    });
    session.start();
    await clock.advance(1000);
    expect(session.state.name).toBe('serving');
  });

  it('is given up after thirty seconds without an answer, and the late link is not used', async () => {
    const late = Promise.withResolvers<never>();
    const { clock, session } = makeAgentSession({ connect: () => late.promise });
    session.start();
    await clock.advance(29_000);
    expect(session.state.name).toBe('connecting');
    await clock.advance(1000);
    expect(session.state).toMatchObject({ name: 'waiting', because: 'connecting took longer than 30 s' });
    session.stop();
  });
});

describe('reconnecting', () => {
  it('backs off with full jitter up to two minutes while control is away, and comes back', async () => {
    const { control, clock, session } = makeAgentSession();
    control.network.unreachable = true;
    session.start();
    await clock.advance(anHour);
    // 3600 s / 60 s on average, and a few early ones.
    expect(control.network.attempts).toBeGreaterThan(25);
    expect(control.network.attempts).toBeLessThan(200);
    control.network.unreachable = false;
    await clock.advanceUntil(() => session.state.name === 'serving', 120_000);
    expect(session.state.name).toBe('serving');
  });

  it('of a flapping link stays bounded: only a steady minute starts the back-off anew', async () => {
    const { control, clock, session } = makeAgentSession({
      onMessage(message, self) {
        if (message.type !== 'hello') return;
        self.send(aWelcome());
        clock.after(3000, () => self.close(closeCodes.goingAway, 'flap'));
      },
    });
    session.start();
    await clock.advance(600_000);
    expect(control.all('hello').length).toBeLessThan(40);
  });

  it('after a steady minute begins at once again', async () => {
    const { control, clock, session } = makeAgentSession();
    control.network.unreachable = true;
    session.start();
    await clock.advance(anHour);
    control.network.unreachable = false;
    await clock.advanceUntil(() => session.state.name === 'serving', 120_000);
    const beat = setBeat();
    await clock.advance(70_000);
    beat.stop();
    control.network.current?.cut();
    await clock.advance(250);
    expect(session.state.name).toBe('serving');

    function setBeat() {
      let timer = clock.after(9000, tick);
      function tick(): void {
        control.send({ type: 'heartbeat', sentAt: 0 });
        timer = clock.after(9000, tick);
      }
      return { stop: () => timer.cancel() };
    }
  });

  it.each([closeCodes.unauthorized, closeCodes.duplicateIdentity, closeCodes.versionMismatch])(
    'after %i is slow, and heals without a restart',
    async (code) => {
      let refused = true;
      const { control, clock, session, logLines } = makeAgentSession({
        onMessage(message, self) {
          if (message.type !== 'hello') return;
          if (refused) self.close(code, 'no');
          else self.send(aWelcome());
        },
      });
      session.start();
      await clock.advance(anHour);
      expect(control.all('hello').length).toBeGreaterThan(9);
      expect(control.all('hello').length).toBeLessThan(17);
      expect(logLines.length).toBeLessThan(20);
      refused = false;
      await clock.advance(360_000);
      expect(session.state.name).toBe('serving');
    },
  );

  it('is slow too when the join token is refused before there is a link', async () => {
    let attempts = 0;
    const { clock, session } = makeAgentSession({
      connect() {
        attempts += 1;
        return Promise.reject(new ConnectError(closeCodes.unauthorized, 'control refused the join token'));
      },
    });
    session.start();
    await clock.advance(anHour);
    expect(attempts).toBeLessThan(17);
    session.stop();
  });

  it('never follows a deregistration, and the agent says what to do', async () => {
    const { control, clock, session, logLines } = await serveAgentSession();
    control.close(closeCodes.deregistered, 'gone');
    await clock.advance(anHour);
    expect(control.all('hello')).toHaveLength(1);
    expect(session.state).toMatchObject({ name: 'stopped', reason: expect.stringContaining('state folder') });
    expect(logLines.at(-1)?.level).toBe('error');
    expect(clock.pendingTimers()).toBe(0);
  });
});

describe('a served session', () => {
  it('beats with the health of the machine, and gives up a control that is silent for three intervals', async () => {
    const { control, clock, session } = await serveAgentSession({
      health: () => ({ status: 'IMPAIRED', reason: 'the engine is silent' }),
    });
    await clock.advance(39_999);
    expect(control.last('heartbeat')).toMatchObject({ health: { status: 'IMPAIRED', reason: 'the engine is silent' } });
    expect(session.state.name).toBe('serving');
    await clock.advance(1);
    expect(session.state).toMatchObject({ name: 'waiting', because: 'control is silent' });
  });

  it.each([
    ['garbage', 'not json', closeCodes.invalidMessage],
    ['an unknown message', '{"type":"selfDestruct"}', closeCodes.invalidMessage],
    ['a huge message', 'x'.repeat(maximumMessageBytes + 1), closeCodes.tooLarge],
  ])('ends at %s and recovers', async (_case, text, code) => {
    const { control, clock, session } = await serveAgentSession();
    control.sendText(text);
    await clock.advance(0);
    expect(control.closures[0]?.code).toBe(code);
    await clock.advance(1000);
    expect(session.state.name).toBe('serving');
  });

  it('ends when control reads too slowly', async () => {
    const memory = createMemorySessionState();
    const { control, clock, session } = await serveAgentSession({ memory });
    control.network.current?.freeze('toControl');
    const reason = 'x'.repeat(1024);
    for (let index = 0; index < 900; index++) {
      const containers = Array.from({ length: 10 }, (_, container) => ({
        name: `c${container}`,
        lastStatus: 'STOPPED' as const,
        reason,
        healthStatus: 'UNKNOWN' as const,
        networkBindings: [],
      }));
      memory.report({ taskArn: `arn:${index}`, lastStatus: 'STOPPED', healthStatus: 'UNKNOWN', containers });
    }
    session.stateChanged();
    const beat = (): void => {
      control.send({ type: 'heartbeat', sentAt: 0 });
      if (session.state.name === 'serving') clock.after(5000, beat);
    };
    beat();
    await clock.advanceUntil(() => session.state.name === 'waiting', 300_000);
    expect(session.state).toMatchObject({ because: 'control reads too slowly' });
    session.stop();
  });

  it('that is stopped says goodbye, changes nothing on the host and leaves no timer (S9)', async () => {
    const memory = createMemorySessionState();
    memory.report({ taskArn: 'arn:runs', lastStatus: 'RUNNING', healthStatus: 'UNKNOWN', containers: [] });
    const { control, clock, session, state, assigned } = await serveAgentSession({ memory });
    session.stop();
    await clock.advance(0);
    expect(control.closures).toEqual([{ code: closeCodes.goingAway, reason: 'the agent is going down' }]);
    expect(state.knownTasks()).toMatchObject([{ taskArn: 'arn:runs', desiredStatus: 'RUNNING' }]);
    expect(assigned).toEqual([]);
    expect(clock.pendingTimers()).toBe(0);
  });
});
