/** A full disk under the agent's journal, and under the engine's images: running tasks go on, the reason is told, and all is well when there is room. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { int, seededRandom } from '#lib/random.ts';
import type { TaskState } from '#protocol/session/messages.ts';
import { openAgentProcess } from '#test/support/agent-process.ts';
import { programs } from '#test/support/container-programs.ts';
import { fill } from '#test/support/full-disk.ts';
import { machineAddress, startOwnEngine } from '#test/support/own-engine.ts';
import { testImage } from '#test/support/test-images.ts';
import { startTestRegistry } from '#test/support/test-registry.ts';

const execute = promisify(execFile);
const mebibyte = 1024 * 1024;
const is = (status: TaskState['lastStatus']) => (state: TaskState) => state.lastStatus === status;

function serving(image = testImage) {
  const command = [...programs.serves.command];
  return { containerDefinitions: [{ name: 'app', image, memory: 32, command, stopTimeout: 3 }] };
}

describe.concurrent('a full disk', () => {
  it('under the journal: nothing is told or begun that is not saved, nothing is stopped, and all of it happens when there is room', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'berth-full-'));
    await execute('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]);
    const agent = await openAgentProcess({ dataFolder: folder, heartbeatIntervalMs: 500 });
    try {
      agent.start();
      const pid = agent.pid();
      const [stays, ends] = [agent.control.run(serving()), agent.control.run(serving())];
      for (const task of [stays, ends]) await agent.untilUp(task);
      const before = await agent.containers(stays);

      const filler = fill(folder);
      await agent.engine.kill((await agent.containers(ends))[0]?.id ?? '', 'SIGKILL');
      const { reason } = await agent.control.untilHealth(({ status }) => status === 'IMPAIRED');
      expect(reason).toMatch(/the agent's journal cannot be written: .*(full|disk I\/O)/);
      const comes = agent.control.run(serving());
      // The session ends over what cannot be saved; whoever hears of the machine next hears of it after that.
      const sessions = agent.control.registrations();
      await agent.control.untilHealth(
        ({ status }) => status === 'IMPAIRED' && agent.control.registrations() > sessions,
      );
      expect(agent.control.history(ends).some(is('STOPPED'))).toBe(false);
      expect(agent.control.history(comes)).toEqual([]);
      expect(await agent.containers(comes)).toEqual([]);

      rmSync(filler);
      expect((await agent.control.until(ends, is('STOPPED'), 60_000)).containers[0]?.exitCode).toBe(137);
      await agent.control.until(comes, is('RUNNING'), 60_000);
      await agent.control.untilHealth(({ status }) => status === 'OK', 60_000);
      expect(await agent.containers(stays)).toEqual(before);
      expect([agent.isRunning(), agent.pid()]).toEqual([true, pid]);
    } finally {
      await agent.close();
      await execute('umount', [folder]);
      rmdirSync(folder);
    }
  });

  it('under the images: a pull is tried again while there may be room, then fails as that, and running tasks go on', async () => {
    const engine = await startOwnEngine('full', [], { dataMiB: 64, isLinked: true });
    const registry = await startTestRegistry(`full ${process.pid}`, {
      host: machineAddress,
      entries: [noise(4 * mebibyte)],
    });
    try {
      const agent = await openAgentProcess({ dockerHost: engine.host });
      try {
        agent.start();
        const pid = agent.pid();
        const stays = agent.control.run(serving());
        await agent.untilUp(stays);
        const before = await agent.containers(stays);

        const filler = fill(engine.dataFolder);
        const fails = agent.control.run(serving(`${registry.address}/fails:${registry.tag}`));
        const failed = await agent.control.until(fails, is('STOPPED'), 90_000);
        expect(failed).toMatchObject({
          stopCode: 'TaskFailedToStart',
          stoppedReason: expect.stringMatching(
            /^CannotPullContainerError: there is no space left for the image: .*no space left on device/,
          ),
        });
        const waits = agent.control.run({
          containerDefinitions: [
            {
              ...serving().containerDefinitions[0],
              name: 'app',
              image: `${registry.address}/waits:${registry.tag}`,
              command: ['/none'],
            },
          ],
        });
        await agent.control.until(waits, ({ containers }) =>
          /no space left on device/.test(containers[0]?.reason ?? ''),
        );
        rmSync(filler);
        // It has no program to run: that it gets so far shows that its image is there.
        const got = await agent.control.until(waits, is('STOPPED'), 60_000);
        expect(got.stoppedReason).toMatch(/^CannotStartContainerError: /);
        expect(await agent.containers(stays)).toEqual(before);
        expect(agent.control.history(stays).some(is('STOPPED'))).toBe(false);
        expect([agent.isRunning(), agent.pid()]).toEqual([true, pid]);
      } finally {
        await agent.close();
      }
    } finally {
      await registry.close();
      await engine.close();
    }
  });
});

/** A file that does not get smaller by packing. */
function noise(bytes: number) {
  const random = seededRandom(1);
  const content = Array.from({ length: bytes }, () => String.fromCodePoint(int(random, 33, 126))).join('');
  return { kind: 'file' as const, path: 'noise', mode: 0o644, content };
}
