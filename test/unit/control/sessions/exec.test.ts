/** Commands through control: who may begin one, and what passes between its client and its agent. docs/exec.md. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createExecLinkPair, type ExecLinkPair } from '#test/support/fake-exec-link.ts';
import type { FakeAgent } from '#test/support/fake-agent.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';
import type { ExecGrant } from '#control/sessions/exec-grants.ts';
import {
  decodeExecFrame,
  encodeExecFrame,
  execWindowBytes,
  maximumExecBytes,
  type ExecClientMessage,
} from '#protocol/exec/messages.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';

let control: SessionsUnderTest;
let agent: FakeAgent;
beforeEach(async () => {
  control = await startSessions();
  agent = await control.connect();
  agent.send({ type: 'assignmentsAck', number: agent.last('assignments')?.number ?? 0 });
  await control.settle();
});
afterEach(() => control.dispose());

/** Lets time pass while the agent shows that it lives, and the client when there is one. */
async function pass(ms: number, client?: Client): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10_000) {
    client?.say({ type: 'heartbeat' });
    agent.send({ type: 'heartbeat', sentAt: control.clock.now(), health: { status: 'OK' } });
    await control.clock.advance(10_000);
  }
}

async function grant(): Promise<ExecGrant> {
  const { containerInstanceArn } = await control.instance();
  return control.sessions.execs.grant({
    taskArn: 'arn:task',
    containerName: 'main',
    containerInstanceArn,
    command: ['cat'],
    interactive: true,
    principalArn: 'arn:somebody',
  });
}

class Client {
  readonly pair: ExecLinkPair = createExecLinkPair(control.clock);
  readonly texts: unknown[] = [];
  readonly output: { channel: string; text: string }[] = [];
  closed: { code: number; reason: string } | undefined;

  constructor(sessionId: string) {
    this.pair.attach({
      client: {
        text: (text) => void this.texts.push(JSON.parse(text)),
        binary: (frame) => {
          const decoded = decodeExecFrame(frame);
          if (decoded !== undefined)
            this.output.push({ channel: decoded.channel, text: Buffer.from(decoded.data).toString() });
        },
        closed: (code, reason) => void (this.closed = { code, reason }),
      },
      control: control.sessions.execs.accept(this.pair.controlEnd, sessionId),
    });
  }

  say(message: ExecClientMessage): void {
    this.pair.clientEnd.sendText(JSON.stringify(message));
  }

  type(data: string | Uint8Array): void {
    this.pair.clientEnd.sendBinary(encodeExecFrame('stdin', Buffer.from(data)));
  }
}

/** A client whose command has begun. */
async function begun(): Promise<{ client: Client; execId: string }> {
  const { sessionId, token } = await grant();
  const client = new Client(sessionId);
  client.say({ type: 'open', token, terminal: { columns: 80, rows: 24, name: 'xterm' } });
  await control.settle();
  const execId = agent.last('execOpen')?.execId ?? '';
  agent.send({ type: 'execStarted', execId });
  await control.settle();
  return { client, execId };
}

const base64 = (text: string | Uint8Array): string => Buffer.from(text).toString('base64');

describe('a command', () => {
  it('begins at its agent as it was granted, and is ready when it runs', async () => {
    const { client, execId } = await begun();
    expect(agent.last('execOpen')).toEqual({
      type: 'execOpen',
      execId,
      taskArn: 'arn:task',
      containerName: 'main',
      command: ['cat'],
      interactive: true,
      terminal: { columns: 80, rows: 24, name: 'xterm' },
    });
    expect(client.texts).toEqual([{ type: 'ready' }]);
  });

  it('gets what its client types, and its client what it says, to the exit code', async () => {
    const { client, execId } = await begun();
    client.type('hello');
    client.say({ type: 'resize', columns: 100, rows: 30 });
    client.say({ type: 'endOfInput' });
    await control.settle();
    expect(agent.last('execInput')).toEqual({ type: 'execInput', execId, data: base64('hello') });
    expect(agent.last('execResize')).toEqual({ type: 'execResize', execId, columns: 100, rows: 30 });
    expect(agent.last('execEndOfInput')).toEqual({ type: 'execEndOfInput', execId });
    agent.send({ type: 'execOutput', execId, stream: 'stdout', data: base64('out') });
    agent.send({ type: 'execOutput', execId, stream: 'stderr', data: base64('err') });
    agent.send({ type: 'execEnded', execId, outcome: { kind: 'exited', code: 42 } });
    await control.settle();
    expect(client.output).toEqual([
      { channel: 'stdout', text: 'out' },
      { channel: 'stderr', text: 'err' },
    ]);
    expect(client.texts.at(-1)).toEqual({ type: 'exit', code: 42 });
    expect(client.closed?.code).toBe(closeCodes.done);
    expect(agent.last('execClose')).toBeUndefined();
    // The heartbeat of the agent's session.
    expect(control.clock.pendingTimers()).toBe(1);
  });

  it('lives for hours without a word, as long as both ends show that they live', async () => {
    const { client } = await begun();
    await pass(3 * 60 * 60_000, client);
    expect(client.closed).toBeUndefined();
    expect(client.texts.filter((text) => JSON.stringify(text).includes('heartbeat'))).toHaveLength(540);
    expect(agent.last('execClose')).toBeUndefined();
  });

  it.each([
    ['goes', (client: Client) => client.pair.clientEnd.close(1000, 'done')],
    ['is cut off', (client: Client) => client.pair.cut()],
  ])('ends when its client %s', async (_how, leave) => {
    const { client, execId } = await begun();
    leave(client);
    await control.settle();
    expect(agent.last('execClose')).toEqual({ type: 'execClose', execId });
  });

  it('ends when its client is silent for three heartbeats', async () => {
    const { client, execId } = await begun();
    client.pair.freeze();
    await pass(90_000);
    expect(agent.last('execClose')).toEqual({ type: 'execClose', execId });
  });

  it('whose agent is lost, or cannot run it, ends with words', async () => {
    const lost = await begun();
    const failing = await begun();
    agent.send({ type: 'execEnded', execId: failing.execId, outcome: { kind: 'failed', error: 'container is gone' } });
    await control.settle();
    expect(failing.client.texts.at(-1)).toEqual({ type: 'error', message: 'container is gone' });
    agent.pair.cut();
    await control.settle();
    expect(lost.client.texts.at(-1)).toMatchObject({ type: 'error', message: expect.stringContaining('was lost') });
    expect(lost.client.closed?.code).toBe(closeCodes.done);
  });

  it('that its agent does not start in time ends with words', async () => {
    const { sessionId, token } = await grant();
    const client = new Client(sessionId);
    client.say({ type: 'open', token });
    await pass(100_000, client);
    expect(client.texts.at(-1)).toMatchObject({ type: 'error', message: expect.stringContaining('within 90 s') });
    expect(agent.last('execClose')).toBeDefined();
  });
});

describe('credit', () => {
  const window = Buffer.alloc(execWindowBytes);
  const pieces = Array.from({ length: execWindowBytes / maximumExecBytes }, (_, index) =>
    window.subarray(index * maximumExecBytes, (index + 1) * maximumExecBytes),
  );

  it('goes from the client to the agent', async () => {
    const { client, execId } = await begun();
    for (const piece of pieces) agent.send({ type: 'execOutput', execId, stream: 'stdout', data: base64(piece) });
    await control.settle();
    expect(agent.last('execCredit')).toBeUndefined();
    client.say({ type: 'credit', bytes: execWindowBytes });
    await control.settle();
    expect(agent.last('execCredit')).toEqual({ type: 'execCredit', execId, bytes: execWindowBytes });
  });

  it('goes from the agent to the client', async () => {
    const { client, execId } = await begun();
    for (const piece of pieces) client.type(piece);
    agent.send({ type: 'execCredit', execId, bytes: 100 });
    await control.settle();
    expect(client.texts.at(-1)).toEqual({ type: 'credit', bytes: 100 });
    expect(client.closed).toBeUndefined();
    client.type(Buffer.alloc(101));
    await control.settle();
    expect(client.closed).toMatchObject({ code: closeCodes.invalidMessage, reason: expect.stringContaining('credit') });
    expect(agent.last('execClose')).toEqual({ type: 'execClose', execId });
  });

  it('that an agent does not have ends its session', async () => {
    const { execId } = await begun();
    for (const piece of [...pieces, pieces[0] ?? window])
      agent.send({ type: 'execOutput', execId, stream: 'stdout', data: base64(piece) });
    await control.settle();
    expect(agent.closed?.code).toBe(closeCodes.invalidMessage);
  });

  it('for more than was sent is refused', async () => {
    const { client } = await begun();
    client.say({ type: 'credit', bytes: 1 });
    await control.settle();
    expect(client.closed?.code).toBe(closeCodes.invalidMessage);
  });

  it('granted by a client that then does not read cuts it off', async () => {
    const { client, execId } = await begun();
    const held: number[] = [];
    client.pair.holdAtControl();
    for (let round = 0; round < 5; round++) {
      for (const piece of pieces) agent.send({ type: 'execOutput', execId, stream: 'stdout', data: base64(piece) });
      await control.settle();
      held.push(client.pair.controlEnd.bufferedBytes);
      client.say({ type: 'credit', bytes: execWindowBytes });
      await control.settle();
    }
    expect(held.findIndex((bytes) => bytes > 4 * execWindowBytes)).toBe(3);
    expect(agent.last('execClose')).toEqual({ type: 'execClose', execId });
  });
});

describe('a grant', () => {
  it('is used once, with its token, within a minute', async () => {
    const { execs } = control.sessions;
    const { sessionId, token } = await grant();
    expect([execs.expects(sessionId), execs.expects('another')]).toEqual([true, false]);
    const guessing = new Client(sessionId);
    guessing.say({ type: 'open', token: `${token.slice(0, -1)}x` });
    await control.settle();
    expect(guessing.closed?.code).toBe(closeCodes.unauthorized);
    const [first, second] = [new Client(sessionId), new Client(sessionId)];
    first.say({ type: 'open', token });
    second.say({ type: 'open', token });
    await control.settle();
    expect([first.closed, second.closed?.code]).toEqual([undefined, closeCodes.unauthorized]);
    expect(execs.expects(sessionId)).toBe(false);

    const late = await grant();
    await pass(60_000);
    expect(execs.expects(late.sessionId)).toBe(false);
    const latecomer = new Client(late.sessionId);
    latecomer.say({ type: 'open', token: late.token });
    await control.settle();
    expect(latecomer.closed?.code).toBe(closeCodes.unauthorized);
  });

  it('is given for connected agents only, and never written to the log', async () => {
    const { token, sessionId } = await grant();
    const client = new Client(sessionId);
    client.say({ type: 'open', token });
    await control.settle();
    expect(JSON.stringify(control.logLines)).toContain('arn:somebody');
    expect(JSON.stringify(control.logLines)).not.toContain(token);
    agent.pair.cut();
    await control.settle();
    await expect(grant()).rejects.toMatchObject({ name: 'ExecError', kind: 'agent-not-connected' });
  });

  it('is one of so many', async () => {
    for (let open = 0; open < 1000; open++) await grant();
    await expect(grant()).rejects.toMatchObject({ kind: 'too-many' });
    await pass(60_000);
    expect((await grant()).token).toHaveLength(64);
  });

  it('is followed by 32 commands of one agent at once', async () => {
    const clients = [];
    for (let number = 0; number < 33; number++) clients.push((await begun()).client);
    expect(clients.at(-1)?.texts).toEqual([{ type: 'error', message: expect.stringContaining('32 commands') }]);
  });
});

describe('whatever a client sends', () => {
  it('without an open in time it is let go', async () => {
    const client = new Client((await grant()).sessionId);
    await control.clock.advance(10_000);
    expect(client.closed?.code).toBe(closeCodes.heartbeatTimeout);
  });

  it.each([
    ['no JSON', 'hello?'],
    ['an unknown type', '{"type":"dance"}'],
    ['a size of nothing', '{"type":"resize","columns":0,"rows":24}'],
    ['credit that is more than a window', `{"type":"credit","bytes":${execWindowBytes + 1}}`],
    ['a TERM with more in it', '{"type":"open","token":"x","terminal":{"columns":1,"rows":1,"name":"a\\nB=c"}}'],
  ])('%s ends its command with a reason', async (_case, text) => {
    const { client } = await begun();
    client.pair.clientEnd.sendText(text);
    await control.settle();
    expect(client.closed).toMatchObject({ code: closeCodes.invalidMessage, reason: expect.stringMatching(/.+/u) });
    expect(agent.last('execClose')).toBeDefined();
  });

  it('control lives on, and so does the agent’s session', async () => {
    const anything = fc.oneof(fc.string(), fc.json(), fc.uint8Array());
    await fc.assert(
      fc.asyncProperty(fc.array(anything, { minLength: 1, maxLength: 5 }), async (frames) => {
        const { client } = await begun();
        for (const frame of frames) {
          if (typeof frame === 'string') client.pair.clientEnd.sendText(frame);
          else client.pair.clientEnd.sendBinary(frame);
        }
        await control.settle();
        client.pair.cut();
        await control.settle();
        expect(agent.closed).toBeUndefined();
      }),
      { numRuns: 50 },
    );
  });
});
