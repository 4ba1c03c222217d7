/**
 * This machine's identity towards control, made once and kept in a file of its own beside the journal: when the journal is damaged, the machine
 * is still known, and the containers that carry the identity as a label are still its own.
 */
import { join } from 'node:path';
import { readFileIfThere, writeFileDurably } from '#lib/durable-file.ts';
import type { Ids } from '#lib/ids.ts';

const fileName = 'machine-id';
const wellFormed = /^[0-9a-f-]{8,64}$/;

/** `isKnown`: it was made by an earlier start. */
export function machineIdIn(folder: string, ids: Ids): { machineId: string; isKnown: boolean } {
  const path = join(folder, fileName);
  const saved = readFileIfThere(path)?.trim();
  if (saved !== undefined && wellFormed.test(saved)) return { machineId: saved, isKnown: true };
  const machineId = ids.uuid();
  writeFileDurably(path, `${machineId}\n`);
  return { machineId, isKnown: false };
}
