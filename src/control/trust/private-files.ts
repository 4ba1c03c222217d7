/** Control's private files, in folders that only their owner may enter. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { writeFileDurably } from '#lib/durable-file.ts';

/** Makes the folder too. */
export function writePrivateFile(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileDurably(file, text);
}
