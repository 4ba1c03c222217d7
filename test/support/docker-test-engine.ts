/** The real engine for tests: everything a test makes carries the test's label and is gone when the test is over. */
import { createDockerEngine, type DockerEngine } from '#agent/engine/docker.ts';
import { systemClock } from '#lib/clock.ts';
import { systemIds } from '#lib/ids.ts';
import { ensureTestImage } from './test-images.ts';

export const testLabel = 'berth.test';

export const testDockerHost = process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock';

export interface DockerTestEngine {
  engine: DockerEngine;
  dockerHost: string;
  /** Prefix of all names and value of the label. */
  run: string;
  /** Removes this run's containers, and the volumes whose names begin with `run`. */
  cleanUp(): Promise<void>;
  close(): Promise<void>;
}

/** Rejects when no engine answers: a test that needs one says so instead of passing without it. */
export async function openDockerTestEngine(): Promise<DockerTestEngine> {
  const engine = createDockerEngine({ dockerHost: testDockerHost, clock: systemClock });
  await ensureTestImage(engine);
  const run = `berth-test-${systemIds.hex(8)}`;
  async function cleanUp(): Promise<void> {
    const left = await engine.list({ [testLabel]: run });
    await Promise.all(left.map(({ id }) => engine.remove(id)));
  }
  async function close(): Promise<void> {
    await cleanUp();
    engine.close();
  }
  return { engine, dockerHost: testDockerHost, run, cleanUp, close };
}

/** For a volume that outlives the tasks of a test. */
export async function removeVolume(name: string): Promise<void> {
  const engine = createDockerEngine({ dockerHost: testDockerHost, clock: systemClock });
  try {
    await engine.removeVolume(name);
  } finally {
    engine.close();
  }
}
