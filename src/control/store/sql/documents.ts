/**
 * JSON in text columns. What is read back was written by this program and is trusted; text that is no JSON of the expected kind means a damaged
 * or edited database, and the error names the row.
 */
import { CorruptRowError } from '../errors.ts';

/** `key` names the row within `table` for the error. */
export function decodeDocument<T extends object>(table: string, key: string, text: string): T {
  const value = decode(table, key, text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CorruptRowError(table, key, 'its document is not a JSON object');
  }
  return value as T;
}

export function decodeStrings(table: string, key: string, text: string): string[] {
  const value = decode(table, key, text);
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
    throw new CorruptRowError(table, key, 'a list of strings was expected');
  }
  return value;
}

function decode(table: string, key: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CorruptRowError(table, key, 'a column does not hold JSON', { cause });
  }
}
