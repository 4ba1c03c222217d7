/** `berth backup`: everything that the control service knows, in one file, while it runs. `berth restore`, which is the way back, is part of control. */
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { z } from 'zod';
import { fileNameTime, toIsoTime } from '#lib/iso-time.ts';
import { readBackup, type BackupEnd, type BackupManifest } from '#protocol/backup.ts';
import { printOne, type CliContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { withProgress } from '../output/transfer.ts';
import { signedGet } from '../signed-fetch.ts';

const Refusal = z.object({ message: z.string() });

export function addBackupCommand(program: Command, context: CliContext): void {
  program
    .command('backup')
    .description('save everything the control service knows, keys included, to one file')
    .argument('[file]', 'where to; default: berth-<time>.backup in this folder')
    .action((file: string | undefined) => saveBackup(context, file ?? defaultName(context.clock.now())));
}

function defaultName(now: number): string {
  return `berth-${fileNameTime(now)}.backup`;
}

/** The file is there when it is whole, and was read once more to see that it is. */
async function saveBackup(context: CliContext, file: string): Promise<void> {
  const draft = `${file}.part`;
  try {
    const response = await signedGet(context.endpoint(), '/berth/v1/backup', {}, context.signal);
    if (!response.ok || response.body === null) throw await refusalOf(response);
    const body = withProgress(context, draft, Readable.fromWeb(response.body));
    await pipeline(body, createWriteStream(draft, { mode: 0o600 }), { signal: context.signal });
    const { manifest, end, bytes } = await check(draft);
    await rename(draft, file);
    printOne(context, { file, bytes, createdAt: toIsoTime(manifest.createdAt), ...end }, () =>
      [
        `${file}: ${end.rows} rows and ${end.files} files, ${Math.ceil(bytes / 1024)} KiB`,
        'It holds the keys of the cluster: keep it where nobody else can read it. The way back: `berth restore FILE`',
      ].join('\n'),
    );
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

async function check(path: string): Promise<{ manifest: BackupManifest; end: BackupEnd; bytes: number }> {
  const { createGunzip } = await import('node:zlib');
  const unpacked: Transform = createGunzip();
  const reading = pipeline(createReadStream(path), unpacked);
  const lines = createInterface({ input: unpacked, crlfDelay: Infinity });
  const [contents] = await Promise.all([readToEnd(lines), reading]);
  const handle = await open(path, 'r+');
  try {
    await handle.sync();
    return { ...contents, bytes: (await handle.stat()).size };
  } finally {
    await handle.close();
  }
}

async function readToEnd(texts: AsyncIterable<string>): Promise<{ manifest: BackupManifest; end: BackupEnd }> {
  const { manifest, lines } = await readBackup(texts);
  for (;;) {
    const next = await lines.next();
    if (next.done === true) return { manifest, end: next.value };
  }
}

async function refusalOf(response: Response): Promise<CliError> {
  const refusal = Refusal.safeParse(await response.json().catch(() => undefined));
  return new CliError(`no backup: ${refusal.success ? refusal.data.message : `HTTP ${response.status}`}`, {
    next: 'the log of the control service says more',
  });
}
