/** Commands in containers as people run them: the built command line, both daemons, real containers. docs/exec.md. */
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  CreateServiceCommand,
  DeleteServiceCommand,
  ExecuteCommandCommand,
  StopTaskCommand,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createDockerEngine } from '#agent/engine/docker.ts';
import { systemClock } from '#lib/clock.ts';
import { execSubprotocol } from '#protocol/exec/messages.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';
import {
  ending,
  processesOf,
  program,
  runningTask,
  startProgram,
  type StartedProgram,
} from '#test/support/berth-exec.ts';
import { testDockerHost } from '#test/support/docker-test-engine.ts';
import { eventually, openRealCell, type RealCell } from '#test/support/real-cell.ts';
import { archiveOf } from '../../sample/archive.ts';

const bareImage = 'berth-test:no-shell';

let cell: RealCell;
let task: string;
beforeAll(async () => {
  cell = await openRealCell({ control: { BERTH_HEARTBEAT_INTERVAL: '1' } });
  await cell.register('execs', {});
  const { code, out, err } = await ending(
    start(process.execPath, [program, 'run', 'execs', '--enable-execute-command', '--wait']),
  );
  if (code !== 0) throw new Error(`berth run ended with ${code}: ${err}`);
  task = out.trim();
});
afterAll(async () => {
  await cell.close();
  const engine = createDockerEngine({ dockerHost: testDockerHost, clock: systemClock });
  await engine.removeImage(bareImage);
  engine.close();
});

function running(taskDefinition: string, enableExecuteCommand = true): Promise<string> {
  return runningTask(cell, taskDefinition, enableExecuteCommand);
}

function start(file: string, args: readonly string[]): StartedProgram {
  return startProgram(cell, file, args);
}

function exec(...args: string[]): StartedProgram {
  return start(process.execPath, [program, 'exec', ...args]);
}

function sessionOf(command = 'true') {
  return cell.ecs.send(new ExecuteCommandCommand({ task, command, interactive: true }));
}

describe('without a terminal', () => {
  it('keeps stdout and stderr apart and ends with the exit code of the command', async () => {
    const spoken = await ending(exec(task, '--', 'sh', '-c', 'echo to-out; echo to-err >&2; exit 42'));
    expect(spoken).toEqual({ code: 42, out: 'to-out\n', err: 'to-err\n' });
  });

  it('runs as root, with words that arrive as they were given', async () => {
    const words = ['a b', '', "it's", '"$HOME"', '\\', '#', 'new\nline', 'ünïcode'];
    const { out } = await ending(exec(task, '--', 'sh', '-c', 'id -u; printf "<%s>" "$@"', 'sh', ...words));
    expect(out).toBe(`0\n${words.map((word) => `<${word}>`).join('')}`);
  });

  it('passes 5 MB through a pipe, there and back, without a bit changed', async () => {
    const bytes = randomBytes(5_000_000);
    const cat = exec('-i', task, '--', 'cat');
    cat.child.stdin?.end(bytes);
    const { code, out, err } = await cat.ended;
    expect([code, err, out.length]).toEqual([0, '', bytes.length]);
    expect(createHash('sha256').update(out).digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('stays open while nothing is said for many heartbeats', async () => {
    const quiet = await ending(exec(task, '--', 'sh', '-c', 'sleep 8; echo still here'));
    expect(quiet).toEqual({ code: 0, out: 'still here\n', err: '' });
  });

  it('serves two at once, each its own', async () => {
    const [one, two] = [exec('-i', task, '--', 'cat'), exec('-i', task, '--', 'cat')];
    one.child.stdin?.write('first\n');
    two.child.stdin?.write('second\n');
    await eventually('both to answer', () => Promise.resolve(one.said() !== '' && two.said() !== ''));
    expect(await Promise.all([ending(one), ending(two)])).toEqual([
      { code: 0, out: 'first\n', err: '' },
      { code: 0, out: 'second\n', err: '' },
    ]);
  });

  it('does not hold up another while its reader does not read', async () => {
    const stuck = exec(task, '--', 'yes', 'berth');
    stuck.child.stdout?.pause();
    expect(await ending(exec(task, '--', 'echo', 'through'))).toEqual({ code: 0, out: 'through\n', err: '' });
    stuck.child.kill('SIGKILL');
    await stuck.ended;
    await eventually('the end of yes', () => Promise.resolve(processesOf('yes', 'berth').length === 0));
  });

  it('ends quietly when its reader does', async () => {
    const { child, ended } = exec(task, '--', 'yes', 'berth');
    child.stdout?.once('data', () => child.stdout?.destroy());
    expect(await ended).toMatchObject({ code: 141, err: '' });
    await eventually('the end of yes', () => Promise.resolve(processesOf('yes', 'berth').length === 0));
  });

  it('may have a terminal and no input', async () => {
    const told = await ending(exec('-t', task, '--', 'sh', '-c', 'tty -s <&1 && echo a terminal; echo too >&2'));
    expect(told).toEqual({ code: 0, out: 'a terminal\r\ntoo\r\n', err: '' });
  });

  it('says so when there is no such program', async () => {
    const { code, out, err } = await ending(exec(task, '--', '/no/such/program'));
    expect([126, 127]).toContain(code);
    expect(out + err).toContain('/no/such/program');
  });

  it('needs nothing in the image', async () => {
    const from = '/bin/busybox';
    const entries = ['sleep', 'cat'].map((path) => ({ kind: 'copy' as const, path, mode: 0o755, from }));
    const [repository = '', tag = ''] = bareImage.split(':');
    await cell.engine.importImage(Readable.from(archiveOf(entries)), { repository, tag, changes: ['CMD ["/sleep"]'] });
    await cell.register('bare', { image: bareImage, command: ['/sleep', '3600'] });
    const cat = exec('-i', await running('bare'), '--', '/cat');
    cat.child.stdin?.write('through a static program\n');
    expect(await ending(cat)).toEqual({ code: 0, out: 'through a static program\n', err: '' });
  });
});

describe('with a terminal', () => {
  /** The command line on a pseudo-terminal of 100 columns and 30 rows, whose name is its first line. */
  function onTerminal(...args: string[]): StartedProgram {
    const words = [process.execPath, program, 'exec', ...args].map((word) => `'${word}'`).join(' ');
    return start('script', [
      '-qfec',
      `tty; stty cols 100 rows 30; ${words}; code=$?; stty -a | grep -o '.icanon'; exit $code`,
      '/dev/null',
    ]);
  }

  async function saying(shell: StartedProgram, what: string): Promise<void> {
    await eventually(`the terminal to say ${what}`, () => Promise.resolve(shell.said().includes(what)));
  }

  it('has its size from the beginning, hears of a new one, and gives the terminal back', async () => {
    const shell = onTerminal('-it', task);
    await saying(shell, '# ');
    const [name = ''] = shell.said().split('\r\n');
    shell.child.stdin?.write('stty size; echo "$TERM."\n');
    await saying(shell, '30 100');
    await saying(shell, `\n${process.env['TERM'] ?? ''}`);
    const resized = start('stty', ['-F', name, 'cols', '132', 'rows', '43']);
    expect((await resized.ended).code).toBe(0);
    await eventually('the new size', async () => {
      shell.child.stdin?.write('stty size\n');
      return shell.said().includes('43 132');
    });
    shell.child.stdin?.write('exit 7\n');
    await saying(shell, 'icanon');
    expect(await ending(shell)).toMatchObject({ code: 7 });
    expect(shell.said()).not.toContain('-icanon');
  });

  it('passes on Ctrl-C, which ends the command there and not the session', async () => {
    const shell = onTerminal('-it', task);
    await saying(shell, '# ');
    shell.child.stdin?.write('sleep 4242\n');
    await eventually('sleep', () => Promise.resolve(processesOf('sleep', '4242').length === 1));
    shell.child.stdin?.write('\x03');
    await eventually('the end of sleep', () => Promise.resolve(processesOf('sleep', '4242').length === 0));
    shell.child.stdin?.write('echo "still $((40 + 2))"; exit\n');
    await saying(shell, 'still 42');
    expect(await ending(shell)).toMatchObject({ code: 0 });
  });
});

describe('a command whose container ends', () => {
  it('ends with it', async () => {
    const stopping = await running('execs');
    const client = exec('-i', stopping, '--', 'sleep', '4646');
    await eventually('the command', () => Promise.resolve(processesOf('sleep', '4646').length === 1));
    await cell.ecs.send(new StopTaskCommand({ task: stopping }));
    expect((await client.ended).code).toBe(137);
    const refused = await ending(exec(stopping, '--', 'true'));
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('does not run') });
  });
});

describe('a command whose client goes', () => {
  it.each(['SIGKILL', 'SIGINT'] as const)('is ended with all that it started: %s', async (signal) => {
    const client = exec('-i', task, '--', 'sh', '-c', 'sleep 4343 & trap "" HUP; echo ready; sleep 4343');
    await eventually('the command', () => Promise.resolve(client.said() === 'ready\n'));
    await eventually('both', () => Promise.resolve(processesOf('sleep', '4343').length === 2));
    client.child.kill(signal);
    expect((await client.ended).code).toBe(signal === 'SIGINT' ? 130 : null);
    await eventually('the end of both', () => Promise.resolve(processesOf('sleep', '4343').length === 0));
    expect((await cell.task(task)).lastStatus).toBe('RUNNING');
  });

  it('is ended before its agent is, when that stops in order', async () => {
    const client = exec('-i', task, '--', 'sh', '-c', 'trap "" HUP; while :; do sleep 4545; done');
    await eventually('the command', () => Promise.resolve(processesOf('sleep', '4545').length === 1));
    expect(await cell.agent.stop()).toBe(0);
    expect(processesOf('sleep', '4545')).toEqual([]);
    expect(await client.ended).toMatchObject({ code: 255, err: expect.stringContaining('agent was lost') });
    cell.agent = cell.startAgent();
    await eventually('the agent', async () => (await ending(exec(task, '--', 'true'))).code === 0);
  });

  it('by its agent’s death is told why, and the command ends when the agent is back', async () => {
    const client = exec('-i', task, '--', 'sleep', '4444');
    await eventually('the command', () => Promise.resolve(processesOf('sleep', '4444').length === 1));
    await cell.agent.kill();
    const { code, err } = await client.ended;
    expect(code).toBe(255);
    expect(err).toContain('the connection to the task’s agent was lost');
    const refused = await ending(exec(task, '--', 'true'));
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('not connected') });
    expect(refused.err).toContain('berth instance list');
    cell.agent = cell.startAgent();
    await eventually('the end of the command', () => Promise.resolve(processesOf('sleep', '4444').length === 0));
    await eventually('the agent', async () => (await ending(exec(task, '--', 'true'))).code === 0);
  });
});

describe('who may run a command', () => {
  it('nobody in a task that was started without', async () => {
    const closed = await running('execs', false);
    const refused = await ending(exec(closed, '--', 'true'));
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('--enable-execute-command') });
    const asked = cell.ecs.send(new ExecuteCommandCommand({ task: closed, command: 'true', interactive: true }));
    await expect(asked).rejects.toMatchObject({
      name: 'InvalidParameterException',
      message: expect.stringContaining('execute command was not enabled'),
    });
    expect((await cell.task(closed)).containers?.[0]?.managedAgents).toBeUndefined();
  });

  it('whoever asks about a task sees that it is possible', async () => {
    expect(await cell.task(task)).toMatchObject({
      enableExecuteCommand: true,
      containers: [{ managedAgents: [{ name: 'ExecuteCommandAgent', lastStatus: 'RUNNING' }] }],
    });
  });

  it('a service says for the tasks of its next deployment', async () => {
    const service = 'execs';
    await cell.ecs.send(new CreateServiceCommand({ serviceName: service, taskDefinition: 'execs', desiredCount: 1 }));
    const first = await eventually('the first task', async () => (await cell.tasks({ serviceName: service }))[0]);
    await cell.ecs.send(new UpdateServiceCommand({ service, enableExecuteCommand: true }));
    expect((await cell.service(service)).deployments).toHaveLength(1);
    expect((await cell.task(first.taskArn ?? '')).enableExecuteCommand).toBe(false);
    await cell.ecs.send(new UpdateServiceCommand({ service, forceNewDeployment: true }));
    await eventually('a task of the new deployment', async () =>
      (await cell.tasks({ serviceName: service })).some((one) => one.enableExecuteCommand),
    );
    await cell.ecs.send(new DeleteServiceCommand({ service, force: true }));
  });

  /** How control ends a connection that shows this token; the HTTP status when it never becomes one. */
  function shown(url: string, token: string): Promise<number> {
    return new Promise((done, fail) => {
      const socket = new WebSocket(url, execSubprotocol);
      socket.on('unexpected-response', (request, response) => {
        request.destroy();
        done(response.statusCode ?? 0);
      });
      socket.on('error', fail);
      socket.on('open', () => socket.send(JSON.stringify({ type: 'open', token })));
      socket.on('close', done);
    });
  }

  it('nobody with another token, and nobody a second time', async () => {
    const { session } = await sessionOf();
    const [url = '', token = ''] = [session?.streamUrl, session?.tokenValue];
    expect(url).toBe(`${cell.url.replace('http', 'ws')}/exec/${session?.sessionId}`);
    expect(await shown(url, 'a guess')).toBe(closeCodes.unauthorized);
    expect(await shown(url, token)).toBe(closeCodes.done);
    expect(await shown(url, token)).toBe(404);
    expect(await shown(`${cell.url.replace('http', 'ws')}/exec/unknown`, token)).toBe(404);
    for (const daemon of ['control', 'agent'] as const) expect(await cell.logOf(daemon)).not.toContain(token);
  });
});
