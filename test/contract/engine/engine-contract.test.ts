/** The contract of the ContainerEngine port, kept by the fake and by Docker alike. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { EngineEvent, LogEntry } from '#agent/engine/container-engine.ts';
import type { ContainerObservation, ContainerSpec } from '#agent/tasks/container-spec.ts';
import { deadline, systemClock } from '#lib/clock.ts';
import { programs, type Program } from '#test/support/container-programs.ts';
import { containerSpec } from '#test/support/container-specs.ts';
import { testLabel } from '#test/support/docker-test-engine.ts';
import { testImage } from '#test/support/test-images.ts';
import { enginesUnderTest, type EngineUnderTest } from './engines-under-test.ts';

const patienceMs = 30_000;

describe.each(enginesUnderTest)('$name', ({ open }) => {
  let under: EngineUnderTest;
  let made = 0;

  beforeAll(async () => {
    under = await open();
  });
  afterEach(() => under.cleanUp());
  afterAll(() => under.close());

  function specOf(program: Program, overrides: Partial<ContainerSpec> = {}): ContainerSpec {
    const { labels, ...others } = overrides;
    return containerSpec({
      name: `${under.run}-${++made}`,
      image: testImage,
      command: program.command,
      ...others,
      labels: { [testLabel]: under.run, ...labels },
    });
  }

  async function run(program: Program, overrides: Partial<ContainerSpec> = {}): Promise<string> {
    const id = await under.engine.create(specOf(program, overrides));
    await under.engine.start(id);
    return id;
  }

  async function observed(id: string, wanted: (seen: ContainerObservation) => boolean): Promise<ContainerObservation> {
    const limit = systemClock.now() + patienceMs;
    for (;;) {
      const seen = await under.engine.inspect(id);
      if (seen !== undefined && wanted(seen)) return seen;
      if (systemClock.now() > limit) throw new Error(`never seen; last: ${JSON.stringify(seen)}`);
      await systemClock.sleep(20);
    }
  }

  const ended = ({ state }: ContainerObservation): boolean => state === 'exited';

  describe('an image', () => {
    test('is listed with its name, and containers tell which one they have', async () => {
      const listed = (await under.engine.listImages()).find(({ tags }) => tags.includes(testImage));
      expect(listed).toMatchObject({ digests: [], sizeBytes: expect.any(Number), createdAt: expect.any(Number) });
      const id = await under.engine.create(specOf(programs.serves));
      const [container] = await under.engine.list({ [testLabel]: under.run });
      expect(container).toMatchObject({ id, imageId: listed?.id });
    });

    test('that is gone already is removed with success', async () => {
      const gone = `${under.run}/nothing:1`;
      await under.engine.removeImage(gone);
      expect(await under.engine.inspectImage(gone)).toBeUndefined();
    });
  });

  test('answers a ping and describes itself', async () => {
    await under.engine.ping();
    expect(await under.engine.describe()).toMatchObject({ os: 'linux', version: expect.stringMatching(/^\d+\.\d+/) });
  });

  describe('a container', () => {
    test('is created, runs, and is seen under its id and its name', async () => {
      const spec = specOf(programs.serves, { labels: { 'com.amazonaws.ecs.container-name': 'web' } });
      const id = await under.engine.create(spec);
      expect(await under.engine.inspect(id)).toMatchObject({
        id,
        name: spec.name,
        state: 'created',
        labels: spec.labels,
      });
      await under.engine.start(id);
      const seen = await under.engine.inspect(spec.name);
      expect(seen).toMatchObject({ id, state: 'running', health: 'UNKNOWN', oomKilled: false });
      expect(seen?.exitCode).toBeUndefined();
      expect(seen?.startedAt).toBeGreaterThanOrEqual(seen?.createdAt ?? Infinity);
    });

    test.each([
      { ending: 'well', program: programs.succeeds, exitCode: 0 },
      { ending: 'badly', program: programs.fails, exitCode: 3 },
    ])('that ends $ending says exit code $exitCode', async ({ program, exitCode }) => {
      const seen = await observed(await run(program), ended);
      expect(seen).toMatchObject({ exitCode, oomKilled: false });
      expect(seen.finishedAt).toBeGreaterThanOrEqual(seen.startedAt ?? Infinity);
    });

    // A busy Docker hears of the kill after the end, and then does not note it: seen once is enough.
    test('that outgrows its memory is seen as killed for that', { retry: 5 }, async () => {
      const seen = await observed(await run(programs.eatsMemory, { memoryBytes: 8 * 1024 * 1024 }), ended);
      expect(seen).toMatchObject({ exitCode: 137, oomKilled: true });
    });

    test('that cannot start is refused in words, stays created, and keeps the error', async () => {
      const id = await under.engine.create(specOf(programs.isMissing));
      await expect(under.engine.start(id)).rejects.toMatchObject({
        kind: 'invalid',
        message: expect.stringContaining('/no/such/program'),
      });
      expect(await under.engine.inspect(id)).toMatchObject({
        state: 'created',
        error: expect.stringContaining('/no/such/program'),
      });
    });

    test('that ended can be started again', async () => {
      const id = await run(programs.fails);
      const first = await observed(id, ended);
      await under.engine.start(id);
      const second = await observed(id, (seen) => ended(seen) && (seen.finishedAt ?? 0) > (first.finishedAt ?? 0));
      expect(second.exitCode).toBe(3);
    });
  });

  describe('stopping', () => {
    test('lets a container end by its own exit code', async () => {
      const id = await run(programs.stopsGracefully);
      await speaking(id);
      await under.engine.stop(id, { timeoutSeconds: 20 });
      expect(await under.engine.inspect(id)).toMatchObject({ state: 'exited', exitCode: 0 });
    });

    test('kills one that does not listen', async () => {
      const id = await run(programs.ignoresTerm);
      await under.engine.stop(id, { timeoutSeconds: 1 });
      expect(await under.engine.inspect(id)).toMatchObject({ state: 'exited', exitCode: 137 });
    });

    test('a signal reaches the container', async () => {
      const id = await run(programs.ignoresTerm);
      await under.engine.kill(id, 'SIGKILL');
      expect(await observed(id, ended)).toMatchObject({ exitCode: 137, oomKilled: false });
    });
  });

  /** A shell needs a moment until its trap stands. */
  async function speaking(id: string): Promise<void> {
    await observed(id, ({ startedAt }) => systemClock.now() - (startedAt ?? Infinity) > 300);
  }

  describe('what is so already', () => {
    test('start of a running container succeeds', async () => {
      await expect(under.engine.start(await run(programs.serves))).resolves.toBeUndefined();
    });

    test('stop, kill and remove of an ended container succeed', async () => {
      const id = await run(programs.succeeds);
      await observed(id, ended);
      await under.engine.stop(id, { timeoutSeconds: 1 });
      await under.engine.kill(id, 'SIGKILL');
      await under.engine.remove(id);
      expect(await under.engine.inspect(id)).toBeUndefined();
    });

    test('stop, kill and remove of what never was succeed; start does not', async () => {
      const nobody = `${under.run}-nobody`;
      await under.engine.stop(nobody, { timeoutSeconds: 1 });
      await under.engine.kill(nobody, 'SIGKILL');
      await under.engine.remove(nobody);
      await under.engine.removeVolume(nobody);
      expect(await under.engine.inspect(nobody)).toBeUndefined();
      expect(await under.engine.inspectVolume(nobody)).toBeUndefined();
      await expect(under.engine.start(nobody)).rejects.toMatchObject({ kind: 'not-found' });
    });

    test('remove takes a running container away by force', async () => {
      const id = await run(programs.serves);
      await Promise.all([under.engine.remove(id), under.engine.remove(id)]);
      expect(await under.engine.inspect(id)).toBeUndefined();
    });
  });

  describe('refusals', () => {
    test('a name that is taken', async () => {
      const spec = specOf(programs.serves);
      await under.engine.create(spec);
      await expect(under.engine.create(spec)).rejects.toMatchObject({
        kind: 'name-conflict',
        message: expect.stringContaining(spec.name),
      });
    });

    test('an image that is not there', async () => {
      const image = 'berth-test:not-there';
      expect(await under.engine.inspectImage(image)).toBeUndefined();
      await expect(under.engine.create(specOf(programs.serves, { image }))).rejects.toMatchObject({
        kind: 'image-not-found',
        message: expect.stringContaining(image),
      });
    });

    test('a host port that is taken', async () => {
      const first = await under.engine.inspect(
        await run(programs.serves, { ports: [{ containerPort: 80, protocol: 'tcp', hostPort: 0 }] }),
      );
      const hostPort = first?.networkBindings[0]?.hostPort ?? 0;
      const ports = [{ containerPort: 80, protocol: 'tcp' as const, hostPort }];
      const id = await under.engine.create(specOf(programs.serves, { ports }));
      await expect(under.engine.start(id)).rejects.toMatchObject({
        kind: 'port-conflict',
        message: expect.stringContaining(String(hostPort)),
      });
    });

    test('a call that is called off', async () => {
      await expect(under.engine.inspect('any', { signal: AbortSignal.abort() })).rejects.toMatchObject({
        kind: 'aborted',
      });
    });
  });

  test('ports are bound as asked, free ones are picked, each is seen once', async () => {
    const ports = [
      { containerPort: 80, protocol: 'tcp' as const, hostPort: 0 },
      { containerPort: 53, protocol: 'udp' as const, hostPort: 0 },
    ];
    const seen = await under.engine.inspect(await run(programs.serves, { ports }));
    expect(seen?.networkBindings).toEqual([
      { bindIP: '0.0.0.0', containerPort: 53, hostPort: expect.any(Number), protocol: 'udp' },
      { bindIP: '0.0.0.0', containerPort: 80, hostPort: expect.any(Number), protocol: 'tcp' },
    ]);
    expect(seen?.networkBindings.every(({ hostPort = 0 }) => hostPort > 0)).toBe(true);
  });

  test('lists what carries the labels, running or not', async () => {
    const running = await run(programs.serves, { labels: { color: 'red' } });
    const created = await under.engine.create(specOf(programs.serves, { labels: { color: 'blue' } }));
    const mine = { [testLabel]: under.run };
    const ids = async (labels: Record<string, string>) =>
      (await under.engine.list(labels)).map(({ id }) => id).toSorted();
    expect(await ids({ ...mine, color: '' })).toEqual([running, created].toSorted());
    expect(await ids({ ...mine, color: 'blue' })).toEqual([created]);
    expect(await ids({ ...mine, color: 'green' })).toEqual([]);
  });

  test('volumes are made once, kept while in use, and removed', async () => {
    const name = `${under.run}-volume`;
    const spec = { name, driver: 'local', driverOptions: {}, labels: { [testLabel]: under.run } };
    await under.engine.createVolume(spec);
    await under.engine.createVolume(spec);
    expect(await under.engine.inspectVolume(name)).toEqual({ name, driver: 'local', labels: spec.labels });
    const mounts = [{ kind: 'volume' as const, source: name, target: '/data', readOnly: false }];
    const id = await under.engine.create(specOf(programs.serves, { mounts }));
    await expect(under.engine.removeVolume(name)).rejects.toMatchObject({ kind: 'in-use' });
    await under.engine.remove(id);
    await under.engine.removeVolume(name);
    expect(await under.engine.inspectVolume(name)).toBeUndefined();
  });

  describe('events', () => {
    /** Reads until `last` has come, of the containers of this run only. */
    async function collect(events: AsyncIterable<EngineEvent>, last: EngineEvent['action']): Promise<EngineEvent[]> {
      const seen: EngineEvent[] = [];
      async function read(): Promise<EngineEvent[]> {
        for await (const event of events) {
          if (event.labels[testLabel] !== under.run) continue;
          seen.push(event);
          if (event.action === last) return seen;
        }
        throw new Error(`ended after ${seen.map(({ action }) => action).join(', ')}`);
      }
      return deadline(systemClock, patienceMs, `event ${last}`, read());
    }

    test('tell a whole life in order, nothing lost between subscription and first event', async () => {
      const controller = new AbortController();
      const events = await under.engine.events({ labelKeys: [testLabel], signal: controller.signal });
      const id = await run(programs.fails);
      await observed(id, ended);
      await under.engine.remove(id);
      const seen = await collect(events, 'destroy');
      controller.abort();
      expect(seen.map(({ action }) => action)).toEqual(['create', 'start', 'die', 'destroy']);
      expect(seen.every(({ containerId }) => containerId === id)).toBe(true);
      expect(seen.find(({ action }) => action === 'die')).toMatchObject({ exitCode: 3 });
    });

    test('tell of health', async () => {
      const controller = new AbortController();
      const events = await under.engine.events({ labelKeys: [testLabel], signal: controller.signal });
      const healthCheck = {
        test: ['CMD', '/bin/true'],
        intervalMs: 200,
        timeoutMs: 5000,
        retries: 1,
        startPeriodMs: 0,
      };
      const id = await run(programs.serves, { healthCheck });
      const seen = await collect(events, 'health');
      controller.abort();
      expect(seen.at(-1)).toMatchObject({ containerId: id, detail: 'healthy' });
      expect(await under.engine.inspect(id)).toMatchObject({ health: 'HEALTHY' });
    });

    test('end quietly when called off', async () => {
      const controller = new AbortController();
      const events = await under.engine.events({ labelKeys: [testLabel], signal: controller.signal });
      const rest = Array.fromAsync(events);
      controller.abort();
      expect((await rest).filter(({ labels }) => labels[testLabel] === under.run)).toEqual([]);
    });
  });

  describe('logs', () => {
    const texts = (entries: readonly LogEntry[]): string[] => entries.map(({ text }) => text);

    test('of both streams, each entry with its time', async () => {
      const id = await run(programs.speaks);
      const controller = new AbortController();
      const seen: LogEntry[] = [];
      for await (const entry of under.engine.logs(id, { follow: true, signal: controller.signal })) {
        seen.push(entry);
        if (seen.length === 2) controller.abort();
      }
      const byStream = seen.toSorted((a, b) => b.stream.localeCompare(a.stream));
      expect(byStream).toMatchObject([
        { stream: 'stdout', text: 'to-out' },
        { stream: 'stderr', text: 'to-err' },
      ]);
      expect(seen.every(({ at }) => Math.abs(at - systemClock.now()) < patienceMs)).toBe(true);
    });

    test('end when the container ends, can be cut to the last, and are kept', async () => {
      const id = await run(programs.speaksAndEnds);
      const { signal } = new AbortController();
      expect(texts(await Array.fromAsync(under.engine.logs(id, { follow: true, signal })))).toEqual([
        'one',
        'two',
        'three',
      ]);
      expect(texts(await Array.fromAsync(under.engine.logs(id, { follow: false, tail: 2, signal })))).toEqual([
        'two',
        'three',
      ]);
      expect(texts(await Array.fromAsync(under.engine.logs(id, { follow: false, tail: 0, signal })))).toEqual([]);
    });

    test('of what is not there are refused', async () => {
      const { signal } = new AbortController();
      const logs = under.engine.logs(`${under.run}-nobody`, { follow: false, signal });
      await expect(Array.fromAsync(logs)).rejects.toMatchObject({ kind: 'not-found' });
    });
  });
});
