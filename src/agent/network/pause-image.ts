/**
 * The image of pause containers, made on the engine by the agent itself: one layer with one file. Whoever asks for images gets it like any other,
 * and when it was removed it is made again.
 */
import { Readable } from 'node:stream';
import { EngineError, type ContainerEngine } from '../engine/container-engine.ts';
import type { Images } from '../runner/runner-ports.ts';
import { pauseImage } from '../tasks/pause-container.ts';
import { pauseArchitectures, pauseProgram, type PauseArchitecture } from './pause-program.ts';

/** Images with this label belong to the agent: no clean-up takes them. */
export const internalImageLabel = 'berth.internal';

export interface ImageEngine extends Pick<ContainerEngine, 'describe' | 'inspectImage'> {
  /** Makes an image of one layer; `changes` are instructions of a Dockerfile. */
  importImage(
    archive: Readable,
    request: { repository: string; tag: string; changes: readonly string[]; signal: AbortSignal },
  ): Promise<void>;
}

/** `images`, and the pause image made here instead of pulled. */
export function withPauseImage(images: Images, engine: ImageEngine): Images {
  return {
    ...images,
    async obtain(reference, options) {
      if (reference !== pauseImage) return images.obtain(reference, options);
      await ensurePauseImage(engine, options.signal);
      return {};
    },
  };
}

/** Rejects with an EngineError; `wrong-platform` on a machine for which there is no pause program. */
async function ensurePauseImage(engine: ImageEngine, signal: AbortSignal): Promise<void> {
  if ((await engine.inspectImage(pauseImage, { signal })) !== undefined) return;
  const { architecture } = await engine.describe({ signal });
  if (!isPauseArchitecture(architecture)) {
    const words = `there is no pause container for ${architecture}, only for ${pauseArchitectures.join(' and ')}`;
    throw new EngineError('wrong-platform', words);
  }
  const [repository = '', tag = ''] = pauseImage.split(':');
  const archive = archiveOfOneFile('pause', pauseProgram(architecture));
  const changes = ['ENTRYPOINT ["/pause"]', `LABEL ${internalImageLabel}=pause`];
  await engine.importImage(Readable.from([archive]), { repository, tag, changes, signal });
}

function isPauseArchitecture(architecture: string): architecture is PauseArchitecture {
  return pauseArchitectures.some((known) => known === architecture);
}

const blockBytes = 512;

/** A tar archive (ustar) of one executable file that belongs to root. */
export function archiveOfOneFile(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(blockBytes);
  header.write(name, 0);
  header.write(octal(0o755, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(content.length, 11), 124);
  header.write(octal(0, 11), 136);
  header.write('0', 156);
  header.write('ustar\u000000', 257);
  // The checksum counts its own field as blanks.
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\u0000 `, 148);
  const padding = Buffer.alloc((blockBytes - (content.length % blockBytes)) % blockBytes);
  return Buffer.concat([header, content, padding, Buffer.alloc(2 * blockBytes)]);
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
