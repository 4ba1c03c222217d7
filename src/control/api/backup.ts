/** `GET /berth/v1/backup`: a backup of this control service (protocol/backup.ts) while it runs, as one gzip stream. One at a time is made. */
import { pipeline, Readable } from 'node:stream';
import type { Gzip } from 'node:zlib';
import type { Logger } from '#lib/logger.ts';
import { conflict } from '#protocol/ecs/errors.ts';

export interface BackupDoor {
  /** Throws an EcsError while another backup is made. A stream that breaks off is no whole gzip file. */
  open(): Promise<Gzip>;
}

/** `source`: opens the lines of a backup; what is not read to its end is returned. */
export function createBackupDoor(source: () => Promise<AsyncGenerator<string>>, logger: Logger): BackupDoor {
  let underWay = false;
  return {
    async open() {
      if (underWay) throw conflict('Another backup is being made; wait for it to end.');
      underWay = true;
      try {
        const { createGzip } = await import('node:zlib');
        const gzip = createGzip();
        pipeline(Readable.from(await source(), { objectMode: false }), gzip, (error) => {
          underWay = false;
          if (error !== null && error !== undefined) logger.warn({ error }, 'a backup broke off');
        });
        return gzip;
      } catch (error) {
        underWay = false;
        throw error;
      }
    },
  };
}
