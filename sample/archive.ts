/** Tar archives (ustar) as a byte stream: just enough to hand a file system to a container engine. Same entries, same bytes. */
import { readFile } from 'node:fs/promises';

export type ArchiveEntry =
  | { kind: 'folder'; path: string; mode: number }
  | { kind: 'link'; path: string; target: string }
  | { kind: 'file'; path: string; mode: number; content: string }
  /** The content of a file of this machine. */
  | { kind: 'copy'; path: string; mode: number; from: string };

const blockBytes = 512;
/** What the name field of a header holds; longer paths would need extensions. */
const longestPath = 100;

const typeFlags: Record<ArchiveEntry['kind'], string> = { folder: '5', link: '2', file: '0', copy: '0' };

/** Rejects with a RangeError for a path that is absolute or too long, and as `readFile` does for a copy that cannot be read. */
export async function* archiveOf(entries: Iterable<ArchiveEntry>): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    const content = await contentOf(entry);
    yield headerOf(entry, content.length);
    yield content;
    const beyond = content.length % blockBytes;
    if (beyond > 0) yield Buffer.alloc(blockBytes - beyond);
  }
  yield Buffer.alloc(2 * blockBytes);
}

async function contentOf(entry: ArchiveEntry): Promise<Buffer> {
  if (entry.kind === 'file') return Buffer.from(entry.content);
  if (entry.kind === 'copy') return readFile(entry.from);
  return Buffer.alloc(0);
}

function headerOf(entry: ArchiveEntry, size: number): Buffer {
  if (entry.path.startsWith('/') || Buffer.byteLength(entry.path) > longestPath) {
    throw new RangeError(`a path in an archive is relative and at most ${longestPath} bytes long, got ${entry.path}`);
  }
  const header = Buffer.alloc(blockBytes);
  header.write(entry.path, 0);
  header.write(octal(entry.kind === 'link' ? 0o777 : entry.mode, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(size, 11), 124);
  header.write(octal(0, 11), 136);
  header.write(typeFlags[entry.kind], 156);
  if (entry.kind === 'link') header.write(entry.target, 157);
  header.write('ustar\u000000', 257);
  // The checksum counts its own field as blanks.
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\u0000 `, 148);
  return header;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
