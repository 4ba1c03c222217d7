/** The engines that keep the contract, each behind the same few handles. */
import type { ContainerEngine } from '#agent/engine/container-engine.ts';
import type { EngineExec } from '#agent/engine/engine-exec.ts';
import { systemClock } from '#lib/clock.ts';
import { seededRandom } from '#lib/random.ts';
import { openDockerTestEngine } from '#test/support/docker-test-engine.ts';
import { FakeEngine } from '#test/support/fake-engine.ts';
import { testImage } from '#test/support/test-images.ts';

export interface EngineUnderTest {
  engine: ContainerEngine & EngineExec;
  run: string;
  cleanUp(): Promise<void>;
  close(): Promise<void>;
}

export const enginesUnderTest: readonly { name: string; open(): Promise<EngineUnderTest> }[] = [
  { name: 'the fake engine', open: openFake },
  { name: 'Docker', open: openDockerTestEngine },
];

async function openFake(): Promise<EngineUnderTest> {
  const engine = new FakeEngine({ clock: systemClock, random: seededRandom(7) });
  engine.addImage(testImage);
  async function cleanUp(): Promise<void> {
    await Promise.all(engine.containers().map(({ id }) => engine.remove(id)));
  }
  return { engine, run: 'berth-test-fake', cleanUp, close: cleanUp };
}
