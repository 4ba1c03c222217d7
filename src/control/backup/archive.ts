/** The lines of a backup (protocol/backup.ts): the dump of the store between its manifest and its end, with the files of control's folder. */
import type { Clock } from '#lib/clock.ts';
import { backupFormat, type BackupManifest } from '#protocol/backup.ts';
import type { ControlConfig } from '../config.ts';
import { openDump } from '../store/dump.ts';
import { keptFiles } from './home-files.ts';

export interface BackupSource {
  readonly config: Pick<ControlConfig, 'store' | 'home'>;
  readonly clock: Clock;
  /** Awaited now and then, so that the program answers others meanwhile. */
  readonly breathe: () => Promise<void>;
}

/** So much text is made between two breaths. */
const chunkLength = 64 * 1024;

/** Rejects when the database cannot be read; after that the chunks follow, each of whole lines. What is not read to its end must be returned. */
export async function openBackup(source: BackupSource): Promise<AsyncGenerator<string>> {
  const { store, home } = source.config;
  const dump = await openDump(store);
  const manifest: BackupManifest = {
    kind: 'berth backup',
    format: backupFormat,
    createdAt: source.clock.now(),
    store: store.kind,
    migrations: [...dump.migrations],
  };

  async function* lines(): AsyncGenerator<object> {
    const counted = { files: 0, rows: 0 };
    yield manifest;
    for (const file of keptFiles(home)) {
      counted.files += 1;
      yield file;
    }
    for await (const row of dump.rows()) {
      counted.rows += 1;
      yield row;
    }
    yield { end: counted };
  }

  return (async function* chunks() {
    try {
      let chunk = '';
      for await (const line of lines()) {
        chunk += `${JSON.stringify(line)}\n`;
        if (chunk.length < chunkLength) continue;
        yield chunk;
        chunk = '';
        await source.breathe();
      }
      yield chunk;
    } finally {
      await dump.close();
    }
  })();
}
