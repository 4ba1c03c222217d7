/** Serving commands to control. docs/session.md S12, docs/exec.md. */
import { expect, it } from 'vitest';
import { serveAgentSession, type AgentSessionUnderTest } from '#test/support/agent-session-under-test.ts';
import type { ExecRequest, RunningExec } from '#agent/session/exec-streams.ts';
import { execWindowBytes } from '#protocol/exec/messages.ts';
import type { ExecOpen } from '#protocol/session/exec.ts';

const open: ExecOpen = {
  type: 'execOpen',
  execId: 'e1',
  taskArn: 'arn:1',
  containerName: 'main',
  command: ['cat'],
  interactive: true,
};

const text = (data: string): string => Buffer.from(data).toString('base64');

/** A command that says `output`, then waits until it is told to end. */
class Command implements RunningExec {
  readonly request: ExecRequest;
  /** What happened to it, in order. */
  readonly log: string[] = [];
  readonly #output: readonly string[];
  readonly #ended = Promise.withResolvers<void>();
  /** While set, input is not taken. */
  stuck: Promise<void> | undefined;
  taken = 0;

  constructor(request: ExecRequest, output: readonly string[]) {
    this.request = request;
    this.#output = output;
  }

  get output(): RunningExec['output'] {
    return this.#say();
  }

  async *#say(): AsyncGenerator<{ stream: 'stdout'; data: Uint8Array }> {
    for (const words of this.#output) {
      this.taken += 1;
      yield { stream: 'stdout', data: Buffer.from(words) };
    }
    await this.#ended.promise;
  }

  end(): void {
    this.#ended.resolve();
  }

  async write(data: Uint8Array): Promise<void> {
    await this.stuck;
    this.log.push(`read ${Buffer.from(data).toString().slice(0, 10)}`);
  }

  endInput(): void {
    this.log.push('end of input');
  }

  resize({ columns, rows }: { columns: number; rows: number }): void {
    this.log.push(`${columns}x${rows}`);
  }

  exitCode(): Promise<number> {
    return Promise.resolve(3);
  }

  close(): void {
    this.log.push('closed');
  }

  abandon(): void {
    this.log.push('abandoned');
    this.#ended.resolve();
  }
}

async function serving(output: readonly string[] = []): Promise<AgentSessionUnderTest & { commands: Command[] }> {
  const commands: Command[] = [];
  const test = await serveAgentSession({
    execs: {
      start(request) {
        const command = new Command(request, output);
        commands.push(command);
        return Promise.resolve(command);
      },
    },
  });
  return { ...test, commands };
}

it('runs a command, gives on what it says and how it ends', async () => {
  const { control, clock, commands } = await serving(['one', 'two']);
  control.send(open);
  await clock.advance(0);
  const [command] = commands;
  expect(command?.request).toEqual({ taskArn: 'arn:1', containerName: 'main', command: ['cat'], interactive: true });
  expect(control.last('execStarted')).toEqual({ type: 'execStarted', execId: 'e1' });
  expect(control.all('execOutput').map(({ data }) => Buffer.from(data, 'base64').toString())).toEqual(['one', 'two']);
  command?.end();
  await clock.advance(0);
  expect(control.last('execEnded')).toMatchObject({ execId: 'e1', outcome: { kind: 'exited', code: 3 } });
  expect(command?.log).toEqual(['closed']);
});

it('gives on input, sizes and the end of input in their order', async () => {
  const { control, clock, commands } = await serving();
  control.send(open);
  control.send({ type: 'execInput', execId: 'e1', data: text('a') });
  control.send({ type: 'execInput', execId: 'e1', data: text('b') });
  control.send({ type: 'execEndOfInput', execId: 'e1' });
  await clock.advance(0);
  control.send({ type: 'execResize', execId: 'e1', columns: 80, rows: 24 });
  await clock.advance(0);
  expect(commands[0]?.log).toEqual(['read a', 'read b', 'end of input', '80x24']);
});

it('sends no more than there is credit for, and takes no more from the command', async () => {
  const piece = 'x'.repeat(execWindowBytes / 4);
  const { control, clock, commands } = await serving(Array.from({ length: 8 }, () => piece));
  const sent = () => control.all('execOutput').reduce((sum, { data }) => sum + Buffer.from(data, 'base64').length, 0);
  control.send(open);
  await clock.advance(0);
  expect(sent()).toBe(execWindowBytes);
  expect(commands[0]?.taken).toBe(5);
  control.send({ type: 'execCredit', execId: 'e1', bytes: 100 });
  await clock.advance(0);
  expect(sent()).toBe(execWindowBytes + 100);
});

it('grants input as the command takes it; who sends on without is cut off', async () => {
  const { control, clock, commands } = await serving();
  const data = Buffer.alloc(execWindowBytes / 4).toString('base64');
  control.send(open);
  await clock.advance(0);
  const held = Promise.withResolvers<void>();
  const [command] = commands;
  if (command !== undefined) command.stuck = held.promise;
  for (let sent = 0; sent < 4; sent++) control.send({ type: 'execInput', execId: 'e1', data });
  await clock.advance(0);
  expect(control.all('execCredit')).toEqual([]);
  held.resolve();
  await clock.advance(0);
  expect(control.all('execCredit').reduce((sum, { bytes }) => sum + bytes, 0)).toBe(execWindowBytes);
  if (command !== undefined) command.stuck = Promise.withResolvers<void>().promise;
  for (let sent = 0; sent < 5; sent++) control.send({ type: 'execInput', execId: 'e1', data });
  await clock.advance(0);
  expect(control.last('execEnded')?.outcome).toMatchObject({
    kind: 'failed',
    error: expect.stringContaining('credit'),
  });
  expect(command?.log).toContain('abandoned');
});

it('ends the command when its client goes, and when the session ends', async () => {
  const { control, clock, commands } = await serving();
  control.send(open);
  control.send({ ...open, execId: 'e2' });
  await clock.advance(0);
  control.send({ type: 'execClose', execId: 'e1' });
  await clock.advance(0);
  expect(commands.map(({ log }) => log)).toEqual([['abandoned'], []]);
  control.network.current?.cut();
  await clock.advance(0);
  expect(commands.map(({ log }) => log)).toEqual([['abandoned'], ['abandoned']]);
  expect(control.all('execEnded')).toEqual([]);
});

it('ends a command whose client went before it had begun', async () => {
  const starting = Promise.withResolvers<RunningExec>();
  const { control, clock } = await serveAgentSession({ execs: { start: () => starting.promise } });
  control.send(open);
  control.send({ type: 'execClose', execId: 'e1' });
  await clock.advance(0);
  const command = new Command({ ...open }, []);
  starting.resolve(command);
  await clock.advance(0);
  expect(command.log).toEqual(['abandoned']);
  expect(control.last('execStarted')).toBeUndefined();
});

it('tells why a command cannot run, and runs so many at once', async () => {
  const refusing = await serveAgentSession();
  refusing.control.send(open);
  await refusing.clock.advance(0);
  expect(refusing.control.last('execEnded')?.outcome).toEqual({ kind: 'failed', error: 'no commands here' });

  const { control, clock, commands } = await serving();
  for (let number = 0; number < 33; number++) control.send({ ...open, execId: `e${number}` });
  await clock.advance(0);
  expect(commands).toHaveLength(32);
  expect(control.last('execEnded')).toMatchObject({ execId: 'e32', outcome: { kind: 'failed' } });
});
