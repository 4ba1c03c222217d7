/** Whatever an agent sends, control lives on and its state is as it was. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aTaskDefinition } from '#test/support/builders/a-task-definition.ts';
import { aHello, aTaskState, connectFakeAgent } from '#test/support/fake-agent.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';
import { maximumMessageBytes } from '#protocol/session/messages.ts';

let control: SessionsUnderTest;
beforeEach(async () => {
  control = await startSessions();
});
afterEach(() => control.dispose());

describe('before the welcome', () => {
  it.each([
    ['no JSON', 'hello?', /^not JSON/],
    ['no object', '7', /expected object/],
    ['an unknown type', '{"type":"dance"}', /^type: /],
    ['a bad field', JSON.stringify({ ...aHello(), hostname: 7 }), /^hostname: /],
    ['another message', JSON.stringify({ type: 'assignmentsAck', number: 1 }), /^assignmentsAck before hello$/],
  ])('%s ends the session with a reason', async (_case, text, reason) => {
    const agent = connectFakeAgent(control);
    agent.sendText(text);
    await control.settle();
    expect(agent.closed?.code).toBe(closeCodes.invalidMessage);
    expect(agent.closed?.reason).toMatch(reason);
    expect(await control.instances()).toEqual([]);
  });

  it('a message beyond the limit ends the session', async () => {
    const agent = connectFakeAgent(control);
    agent.sendText('x'.repeat(maximumMessageBytes + 1));
    await control.settle();
    expect(agent.closed?.code).toBe(closeCodes.tooLarge);
  });
});

describe('in a served session', () => {
  it('a repeated hello does no harm, another one does', async () => {
    const agent = await control.connect();
    agent.send(aHello());
    await control.settle();
    expect(agent.closed).toBeUndefined();
    agent.send(aHello({ incarnation: 'incarnation-0002' }));
    await control.settle();
    expect(agent.closed?.code).toBe(closeCodes.invalidMessage);
  });

  it('a slow reader is cut off instead of filling the memory', async () => {
    const agent = await control.connect();
    agent.pair.freeze('toAgent');
    const command = ['x'.repeat(900_000)];
    for (let revision = 2; revision < 14; revision++) {
      await control.store.write(async (tx) => {
        const containerDefinitions = [{ name: 'main', image: 'x', command }];
        await tx.taskDefinitions.put(aTaskDefinition({ revision, body: { containerDefinitions } }));
      });
      await control.place({ revision });
    }
    expect(control.logLines.some(({ fields }) => fields['code'] === closeCodes.slowReader)).toBe(true);
    expect(control.sessions.connected()).toBe(0);
  });

  const anyText = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.json(),
    fc
      .record(
        {
          type: fc.constantFrom('hello', 'assignmentsAck', 'stateChanges', 'stopQuery', 'heartbeat', 'logEntries', 'x'),
          number: fc.anything(),
          changes: fc.anything(),
          taskArns: fc.anything(),
          entries: fc.anything(),
          health: fc.anything(),
        },
        { requiredKeys: ['type'] },
      )
      .map((message) => {
        try {
          return JSON.stringify(message);
        } catch (error) {
          return String(error);
        }
      }),
    // Valid messages about things that are not the agent's.
    fc
      .integer({ min: 0, max: 1_000_000 })
      .map((number) =>
        JSON.stringify({ type: 'stateChanges', changes: [aTaskState({ taskArn: 'arn:nobody', number })] }),
      ),
    fc.integer({ min: 0 }).map((number) => JSON.stringify({ type: 'assignmentsAck', number })),
    fc.string({ minLength: 1 }).map((arn) => JSON.stringify({ type: 'stopQuery', number: 0, taskArns: [arn] })),
  );

  it('no text whatever changes a task or stops anything', async () => {
    await control.connect();
    const { taskArn } = await control.place();
    const before = await control.task(taskArn);
    await fc.assert(
      fc.asyncProperty(fc.array(anyText, { minLength: 1, maxLength: 10 }), async (texts) => {
        const agent = await control.connect();
        for (const text of texts) agent.sendText(text);
        await control.settle();
        expect(agent.all('stopConfirm').flatMap(({ taskArns }) => taskArns)).toEqual([]);
        expect({ ...(await control.task(taskArn)), connectivityAt: 0, connectivity: '', version: 0 }).toEqual({
          ...before,
          connectivityAt: 0,
          connectivity: '',
          version: 0,
        });
      }),
      { numRuns: 60 },
    );
    const survivor = await control.connect();
    expect(survivor.last('welcome')).toBeDefined();
  });
});
