/** Pulls by a real engine from a registry on loopback: progress, digests, passwords, and every way to fail. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { PullProgress } from '#agent/engine/container-engine.ts';
import { createDockerEngine } from '#agent/engine/docker.ts';
import { createImages } from '#agent/engine/images.ts';
import { parseRegistryAuth } from '#agent/engine/registry-auth.ts';
import { systemClock } from '#lib/clock.ts';
import { int, seededRandom, systemRandom } from '#lib/random.ts';
import { containerSpec } from '#test/support/container-specs.ts';
import {
  openDockerTestEngine,
  testDockerHost,
  testLabel,
  type DockerTestEngine,
} from '#test/support/docker-test-engine.ts';
import type { ArchiveEntry } from '../../../sample/archive.ts';
import { startTestRegistry, type TestRegistry, type TestRegistryOptions } from '#test/support/test-registry.ts';

let under: DockerTestEngine;
let registry: TestRegistry | undefined;
let pulled: string[] = [];

beforeAll(async () => {
  under = await openDockerTestEngine();
});
afterEach(async () => {
  await registry?.close();
  for (const reference of pulled) await under.engine.removeImage(reference);
  pulled = [];
});
afterAll(() => under.close());

async function offered(options: TestRegistryOptions = {}): Promise<string> {
  registry = await startTestRegistry(`${under.run} ${JSON.stringify(options)}`, options);
  const reference = `${registry.address}/${under.run}/web:${registry.tag}`;
  pulled.push(reference);
  return reference;
}

const password = { username: 'me', password: 'se:cret' };

test('an image arrives with its digest, and tells of its progress', async () => {
  const reference = await offered();
  const progress: PullProgress[] = [];
  await under.engine.pull(reference, { onProgress: (step) => progress.push(step) });
  expect(await under.engine.inspectImage(reference)).toMatchObject({ digest: registry?.digest });
  expect(progress.some(({ status }) => status.startsWith('Status: Downloaded'))).toBe(true);
});

test('by digest', async () => {
  await offered();
  const reference = `${registry?.address}/${under.run}/web@${registry?.digest}`;
  pulled = [reference];
  await under.engine.pull(reference, {});
  expect(await under.engine.inspectImage(reference)).toMatchObject({ digest: registry?.digest });
});

test('an image that a container has is not removed, and without one it goes by its last name', async () => {
  const reference = await offered();
  await under.engine.pull(reference, {});
  const listed = async () =>
    (await under.engine.listImages()).find(({ digests }) => digests.includes(atDigest(reference)));
  expect(await listed()).toMatchObject({ tags: [reference] });
  const spec = containerSpec({
    name: `${under.run}-user`,
    image: reference,
    command: ['/none'],
    labels: { [testLabel]: under.run },
  });
  const container = await under.engine.create(spec);
  await expect(under.engine.removeImage(reference)).rejects.toMatchObject({ kind: 'in-use' });
  await under.engine.remove(container);
  await under.engine.removeImage(reference);
  expect(await listed()).toBeUndefined();
});

function atDigest(reference: string): string {
  return `${reference.slice(0, reference.lastIndexOf(':'))}@${registry?.digest}`;
}

test('with the right password only', async () => {
  const reference = await offered({ password });
  await expect(under.engine.pull(reference, {})).rejects.toMatchObject({ kind: 'unauthorized' });
  const wrong = { ...password, password: 'wrong' };
  await expect(under.engine.pull(reference, { credentials: wrong })).rejects.toMatchObject({ kind: 'unauthorized' });
  await under.engine.pull(reference, { credentials: password });
  expect(await under.engine.inspectImage(reference)).toBeDefined();
});

test('with the operator’s credentials for that registry', async () => {
  const reference = await offered({ password });
  const findCredentials = parseRegistryAuth(
    'docker',
    JSON.stringify({ [`http://${registry?.address}/v2/`]: password }),
  );
  const options = { engine: under.engine, clock: systemClock, random: systemRandom, findCredentials };
  const images = createImages({ ...options, behaviour: 'always' });
  expect(await images.obtain(reference)).toMatchObject({ pulled: true, digest: registry?.digest });
});

test.each([
  { status: 404, code: 'MANIFEST_UNKNOWN', message: 'manifest unknown', kind: 'image-not-found' },
  { status: 429, code: 'TOOMANYREQUESTS', message: 'pull rate limit', kind: 'rate-limited' },
  {
    status: 403,
    code: 'DENIED',
    message: 'requested access to the resource is denied',
    kind: /image-not-found|unauthorized/,
  },
])('a registry that answers $status $code: $kind', async ({ kind, ...manifestError }) => {
  const reference = await offered({ manifestError });
  await expect(under.engine.pull(reference, {})).rejects.toMatchObject({ kind });
});

test('a registry that nobody runs is a matter of the network', async () => {
  const reference = '127.0.0.1:1/nobody/web:1';
  await expect(under.engine.pull(reference, {})).rejects.toMatchObject({
    kind: 'network',
    message: expect.stringContaining('refused'),
  });
});

test('a pull that stands still is ended', async () => {
  const reference = await offered({ stallsInLayer: true });
  const timeouts = { pullInactivityMs: 300 };
  const impatient = createDockerEngine({ dockerHost: testDockerHost, clock: systemClock, timeouts });
  await expect(impatient.pull(reference, {})).rejects.toMatchObject({
    kind: 'timeout',
    message: expect.stringContaining('made no progress within 0.3 s'),
  });
  impatient.close();
});

test('a pull that is called off ends', async () => {
  const reference = await offered({ stallsInLayer: true });
  const controller = new AbortController();
  const pulling = under.engine.pull(reference, { signal: controller.signal, onProgress: () => controller.abort() });
  await expect(pulling).rejects.toMatchObject({ kind: 'aborted' });
});

test('an image for other machines only is refused', async () => {
  const reference = await offered({ isForAnotherMachine: true });
  await expect(under.engine.pull(reference, {})).rejects.toMatchObject({ kind: 'wrong-platform' });
});

test('a registry that is slow, but never silent for long, gives its image, and the progress grows', async () => {
  const reference = await offered({ bytesPerSecond: 300, entries: [noise(2000)] });
  const timeouts = { pullInactivityMs: 3000 };
  const patient = createDockerEngine({ dockerHost: testDockerHost, clock: systemClock, timeouts });
  const seen: number[] = [];
  await patient.pull(reference, { onProgress: ({ currentBytes }) => seen.push(currentBytes) });
  patient.close();
  expect(new Set(seen).size).toBeGreaterThan(1);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
});

test('a layer that is cut in the middle is fetched to its end', async () => {
  const reference = await offered({ cutsInLayer: 1 });
  await under.engine.pull(reference, {});
  expect(await under.engine.inspectImage(reference)).toMatchObject({ digest: registry?.digest });
  expect(registry?.requests.filter((line) => line.includes('/blobs/'))).toHaveLength(3);
});

test('a registry that limits pulls is asked again when it says', async () => {
  const manifestError = { status: 429, code: 'TOOMANYREQUESTS', message: 'retry-after: 6s, allowed: 44000/minute' };
  const reference = await offered({ manifestError });
  const images = createImages({ engine: under.engine, clock: systemClock, random: systemRandom, behaviour: 'always' });
  const news: string[] = [];
  const obtained = await images.obtain(reference, {
    tell(text) {
      news.push(text);
      registry?.behave({});
    },
  });
  expect(obtained).toMatchObject({ pulled: true });
  expect(news[0]).toMatch(/^trying again in [67] s: .*retry-after: 6s/);
});

/** A file that does not get smaller by packing. */
function noise(bytes: number): ArchiveEntry {
  const random = seededRandom(1);
  const content = Array.from({ length: bytes }, () => String.fromCodePoint(int(random, 33, 126))).join('');
  return { kind: 'file', path: 'noise', mode: 0o644, content };
}
