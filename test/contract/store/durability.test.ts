/** What was written is there after a close, after a kill, and after several programs start at once. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { aCluster } from '#test/support/builders/a-cluster.ts';
import { durableStoreKinds, useStores } from './store-kinds.ts';

const writerProcess = fileURLToPath(new URL('./writer-process.ts', import.meta.url));
const writesBeforeTheKill = 20;

/** Runs the writer, kills it in the middle of its work, and gives the names whose writes had resolved. */
async function killedWriter(address: string): Promise<string[]> {
  const writer = spawn(process.execPath, [writerProcess, address], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(writer, 'exit');
  const names: string[] = [];
  for await (const name of createInterface({ input: writer.stdout })) {
    names.push(name);
    if (names.length === writesBeforeTheKill) writer.kill('SIGKILL');
  }
  expect(await exited).toEqual([null, 'SIGKILL']);
  return names;
}

describe.each(durableStoreKinds)('$name', (kind) => {
  const stores = useStores(kind);

  it('keeps what was written when it is closed and opened again', async () => {
    const place = await stores.newPlace();
    const before = await place.open();
    await before.write((tx) => tx.clusters.put(aCluster()));
    await before.close();
    const after = await place.open();
    expect(await after.read((tx) => tx.clusters.get('default'))).toEqual(aCluster());
  });

  it('keeps every resolved write of a process that is killed', async () => {
    const place = await stores.newPlace();
    const written = await killedWriter(place.address);
    expect(written.length).toBeGreaterThanOrEqual(writesBeforeTheKill);
    const store = await place.open();
    for (const name of written) {
      expect(await store.read((tx) => tx.clusters.get(name))).toEqual(aCluster({ clusterName: name }));
    }
    await store.write((tx) => tx.clusters.put(aCluster()));
  });

  it('may be opened for the first time by several processes at once', async () => {
    const place = await stores.newPlace();
    const starts = Array.from({ length: 3 }, () =>
      promisify(execFile)(process.execPath, [writerProcess, place.address, '--open-only']),
    );
    for (const { stdout } of await Promise.all(starts)) expect(stdout).toBe('opened\n');
  });

  it('may be opened for the first time twice within one process', async () => {
    const place = await stores.newPlace();
    const [one, other] = await Promise.all([place.open(), place.open()]);
    await one.write((tx) => tx.clusters.put(aCluster()));
    expect(await other.read((tx) => tx.clusters.get('default'))).toEqual(aCluster());
  });
});
