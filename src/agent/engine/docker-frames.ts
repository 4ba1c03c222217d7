/**
 * What the engine puts around the two streams of a container or command without a terminal: a header of 8 bytes (stream number, three zeros,
 * length) before each piece.
 */

export interface DockerFrame {
  stream: 'stdout' | 'stderr';
  data: Buffer;
}

const headerBytes = 8;
const stderrNumber = 2;
/** The engine splits longer messages; a header that says more is no header. */
export const longestFrame = 1024 * 1024 * 16;

export async function* framesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<DockerFrame> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= headerBytes) {
      const length = rest.readUInt32BE(4);
      if (length > longestFrame) throw new Error(`the stream is out of step: a frame of ${length} bytes`);
      if (rest.length < headerBytes + length) break;
      const data = rest.subarray(headerBytes, headerBytes + length);
      yield { stream: rest[0] === stderrNumber ? 'stderr' : 'stdout', data };
      rest = rest.subarray(headerBytes + length);
    }
  }
}
