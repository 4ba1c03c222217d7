/** The contract of commands in containers, kept by the fake and by Docker alike. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { EngineEvent } from '#agent/engine/container-engine.ts';
import type { ExecProcess, ExecSpec } from '#agent/engine/engine-exec.ts';
import { systemClock } from '#lib/clock.ts';
import { programs, type Program } from '#test/support/container-programs.ts';
import { containerSpec } from '#test/support/container-specs.ts';
import { testLabel } from '#test/support/docker-test-engine.ts';
import { execPrograms, type ExecProgram } from '#test/support/exec-programs.ts';
import { testImage } from '#test/support/test-images.ts';
import { enginesUnderTest, type EngineUnderTest } from './engines-under-test.ts';

const patienceMs = 30_000;

describe.each(enginesUnderTest)('a command on $name', ({ open }) => {
  let under: EngineUnderTest;
  let made = 0;

  beforeAll(async () => {
    under = await open();
  });
  afterEach(() => under.cleanUp());
  afterAll(() => under.close());

  async function created(program: Program = programs.serves): Promise<string> {
    const name = `${under.run}-exec-${++made}`;
    const labels = { [testLabel]: under.run };
    return under.engine.create(containerSpec({ name, image: testImage, command: program.command, labels }));
  }

  async function container(program?: Program): Promise<string> {
    const id = await created(program);
    await under.engine.start(id);
    return id;
  }

  function exec(id: string, { command }: ExecProgram, spec: Partial<ExecSpec> = {}): Promise<ExecProcess> {
    return under.engine.exec(id, { command, environment: [], interactive: false, ...spec });
  }

  /** All it writes, and how it ends. */
  async function ending(process: ExecProcess): Promise<{ stdout: string; stderr: string; exitCode: number }> {
    const said = { stdout: '', stderr: '' };
    for await (const { stream, data } of process.output) said[stream] += Buffer.from(data).toString();
    return { ...said, exitCode: await exitCodeOf(process) };
  }

  async function exitCodeOf(process: ExecProcess): Promise<number> {
    for (const limit = systemClock.now() + patienceMs; systemClock.now() < limit; await systemClock.sleep(10)) {
      const status = await process.status();
      if (status?.state === 'exited') return status.exitCode;
    }
    throw new Error('the command did not end');
  }

  /** The engine answers a start before there is a process. */
  async function pidOf(process: ExecProcess): Promise<number> {
    for (const limit = systemClock.now() + patienceMs; systemClock.now() < limit; await systemClock.sleep(10)) {
      const status = await process.status();
      if (status?.state === 'running' && status.pid !== undefined) return status.pid;
    }
    throw new Error('the command did not begin');
  }

  test('writes to two streams and tells its exit code', async () => {
    const process = await exec(await container(), execPrograms.speaks);
    expect(await ending(process)).toEqual({ stdout: 'to-out\n', stderr: 'to-err\n', exitCode: 3 });
  });

  test('reads what it is sent, byte for byte, until its input ends', async () => {
    const process = await exec(await container(), execPrograms.echoes, { interactive: true });
    const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 31) % 256));
    const writing = (async () => {
      for (let at = 0; at < bytes.length; at += 30_000) await process.write(bytes.subarray(at, at + 30_000));
      process.endInput();
    })();
    const read: Uint8Array[] = [];
    for await (const { data } of process.output) read.push(data);
    await writing;
    expect(Buffer.concat(read).equals(bytes)).toBe(true);
    expect(await exitCodeOf(process)).toBe(0);
  });

  test('runs as who it is told, with what is added to the environment', async () => {
    const spec = { user: '1000', environment: ['GREETING=good day'] };
    const process = await exec(await container(), execPrograms.tellsEnvironment, spec);
    expect(await ending(process)).toEqual({ stdout: '1000\ngood day\n', stderr: '', exitCode: 0 });
  });

  test('with a terminal hears of a new size', async () => {
    const process = await exec(await container(), execPrograms.tellsSize, {
      interactive: true,
      terminal: { columns: 80, rows: 24 },
    });
    let said = '';
    let resized = false;
    for await (const { stream, data } of process.output) {
      expect(stream).toBe('stdout');
      said += Buffer.from(data).toString();
      if (said.includes('ready') && !resized) {
        resized = true;
        await process.resize({ columns: 132, rows: 43 });
      }
      if (said.includes('43 132')) break;
    }
    process.close();
    expect(said).toContain('43 132');
  });

  test('that has ended may be written to, resized and closed without harm', async () => {
    const process = await exec(await container(), execPrograms.speaks, { terminal: { columns: 80, rows: 24 } });
    await ending(process);
    await process.write(Buffer.from('too late'));
    await process.resize({ columns: 100, rows: 30 });
    process.endInput();
    process.close();
    process.close();
    expect(await exitCodeOf(process)).toBe(3);
  });

  test('whose program is not there says so and ends with 126 or 127', async () => {
    const { stdout, stderr, exitCode } = await ending(await exec(await container(), execPrograms.isMissing));
    expect([126, 127]).toContain(exitCode);
    expect(stdout + stderr).toContain('/no/such/program');
  });

  test('that runs is found by its container, until it has ended with that', async () => {
    const id = await container();
    const process = await exec(id, execPrograms.waits);
    const pid = await pidOf(process);
    expect(await under.engine.execPids(id)).toEqual([pid]);
    await under.engine.kill(id, 'SIGKILL');
    for await (const { stream } of process.output) expect(stream).toBe('never');
    expect(await exitCodeOf(process)).not.toBe(0);
    expect(await under.engine.execPids(id)).toEqual([]);
  });

  test('needs a container that is there and runs', async () => {
    await expect(exec(`${under.run}-none`, execPrograms.speaks)).rejects.toMatchObject({ kind: 'not-found' });
    await expect(exec(await created(), execPrograms.speaks)).rejects.toMatchObject({ kind: 'in-use' });
    expect(await under.engine.execPids(`${under.run}-none`)).toEqual([]);
  });

  test('is no event of its container', async () => {
    const abort = new AbortController();
    const events = await under.engine.events({ labelKeys: [testLabel], signal: abort.signal });
    const id = await container();
    await ending(await exec(id, execPrograms.speaks));
    await under.engine.remove(id);
    const seen: EngineEvent['action'][] = [];
    for await (const { containerId, action } of events) {
      if (containerId !== id) continue;
      seen.push(action);
      if (action === 'destroy') break;
    }
    abort.abort();
    expect(seen.filter((action) => !['kill', 'die'].includes(action))).toEqual(['create', 'start', 'destroy']);
  });
});
