/**
 * A backup of a control service: one gzip file of lines, each a JSON object. First the manifest, then the files that control keeps beside its store
 * (keys: whoever has the backup has the cluster), then every row of every table, last how many there were. A file without that last line is not whole.
 */
import { z } from 'zod';

export const backupFormat = 1;

export const backupManifest = z.strictObject({
  kind: z.literal('berth backup'),
  format: z.literal(backupFormat),
  /** Epoch milliseconds. */
  createdAt: z.number().int(),
  store: z.enum(['sqlite', 'postgres']),
  /** The recorded names of the migrations of the database, in their order: its schema. */
  migrations: z.array(z.string().min(1).max(255)),
});

/** A file's name within control's folder: in it, or in a folder in it. */
const fileName = z
  .string()
  .max(255)
  .regex(/^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)?$/, {
    error: 'expected the name of a file in the folder of control',
  });

export const backupFileLine = z.strictObject({ file: fileName, text: z.string() });
const cell = z.union([z.string(), z.number(), z.null()]);
export const backupRowLine = z.strictObject({
  table: z.string().regex(/^[a-z_]{1,63}$/),
  row: z.record(z.string().regex(/^[a-z0-9_]{1,63}$/), cell),
});
export const backupEndLine = z.strictObject({
  end: z.strictObject({ files: z.number().int(), rows: z.number().int() }),
});
export const backupLine = z.union([backupRowLine, backupFileLine, backupEndLine]);

export type BackupManifest = z.infer<typeof backupManifest>;
export type BackupFileLine = z.infer<typeof backupFileLine>;
export type BackupRowLine = z.infer<typeof backupRowLine>;
export type BackupEnd = z.infer<typeof backupEndLine>['end'];

/** Not a backup, not a whole one, or one of a newer program. The message says which and where. */
export class BackupError extends Error {
  override readonly name = 'BackupError';
}

export interface BackupContents {
  readonly manifest: BackupManifest;
  /** Throws a BackupError when the backup turns out not to be whole, which is known only at its end. */
  readonly lines: AsyncGenerator<BackupFileLine | BackupRowLine, BackupEnd>;
}

/** Reads the lines of a backup that was unpacked. Throws a BackupError. */
export async function readBackup(texts: AsyncIterable<string>): Promise<BackupContents> {
  const source = texts[Symbol.asyncIterator]();
  const first = await source.next();
  const manifest = backupManifest.safeParse(first.done === true ? undefined : parsed(first.value, 1));
  if (!manifest.success)
    throw new BackupError(`this is no backup that this program can read: ${issues(manifest.error)}`);
  return { manifest: manifest.data, lines: rest(source) };
}

async function* rest(source: AsyncIterator<string>): BackupContents['lines'] {
  const counted = { files: 0, rows: 0 };
  for (let number = 2; ; number += 1) {
    const next = await source.next();
    if (next.done === true) throw new BackupError(`the backup is not whole: it breaks off after line ${number - 1}`);
    const line = backupLine.safeParse(parsed(next.value, number));
    if (!line.success) throw new BackupError(`line ${number} of the backup is damaged: ${issues(line.error)}`);
    if ('end' in line.data) {
      const { end } = line.data;
      if (end.files === counted.files && end.rows === counted.rows) return end;
      throw new BackupError(`the backup is not whole: it has ${counted.rows} of ${end.rows} rows`);
    }
    if ('file' in line.data) counted.files += 1;
    else counted.rows += 1;
    yield line.data;
  }
}

function parsed(text: string, number: number): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BackupError(`line ${number} of the backup is damaged`, { cause: error });
  }
}

function issues(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
}
