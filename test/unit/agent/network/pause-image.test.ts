/** The image of pause containers: made once, on the engine itself, and all other images left to those who pull. */
import { buffer } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { ImageDescription } from '#agent/engine/container-engine.ts';
import { withPauseImage, type ImageEngine } from '#agent/network/pause-image.ts';
import { pauseProgram } from '#agent/network/pause-program.ts';
import type { Images } from '#agent/runner/runner-ports.ts';
import { pauseImage } from '#agent/tasks/pause-container.ts';
import { fakeDescription } from '#test/support/fake-engine.ts';

const { signal } = new AbortController();
const pulled: Images = { obtain: async (reference) => ({ digest: `of ${reference}` }) };

function engineOf(architecture = 'amd64') {
  const imported: { archive: Buffer; changes: readonly string[] }[] = [];
  let there: ImageDescription | undefined;
  const engine: ImageEngine = {
    describe: async () => ({ ...fakeDescription, architecture }),
    inspectImage: async () => there,
    async importImage(archive: Readable, { repository, tag, changes }) {
      imported.push({ archive: await buffer(archive), changes });
      there = { id: `${repository}:${tag}`, sizeBytes: 1, createdAt: 0 };
    },
  };
  return { engine, imported };
}

describe('the pause image', () => {
  it('is made of the pause program and marked as the agent’s own, once', async () => {
    const { engine, imported } = engineOf();
    const images = withPauseImage(pulled, engine);

    expect(await images.obtain(pauseImage, { signal })).toEqual({});
    await images.obtain(pauseImage, { signal });

    expect(imported).toHaveLength(1);
    expect(imported[0]?.changes).toEqual(['ENTRYPOINT ["/pause"]', 'LABEL berth.internal=pause']);
    const archive = imported[0]?.archive ?? Buffer.alloc(0);
    const program = pauseProgram('amd64');
    expect(archive.length % 512).toBe(0);
    expect(archive.subarray(0, 100).toString().replaceAll('\0', '')).toBe('pause');
    expect(archive.subarray(512, 512 + program.length)).toEqual(program);
  });

  it('is none of the others', async () => {
    const { engine, imported } = engineOf();
    expect(await withPauseImage(pulled, engine).obtain('web:1', { signal })).toEqual({ digest: 'of web:1' });
    expect(imported).toEqual([]);
  });

  it('cannot be made for a machine without a pause program', async () => {
    const { engine } = engineOf('riscv64');
    await expect(withPauseImage(pulled, engine).obtain(pauseImage, { signal })).rejects.toMatchObject({
      kind: 'wrong-platform',
      message: 'there is no pause container for riscv64, only for amd64 and arm64',
    });
  });
});
