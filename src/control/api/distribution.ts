/**
 * What a machine needs to become a host, for everybody who asks: `/install.sh`, and under `/dist/` the executables and their checksums. Nothing of it
 * is secret. Downloads are streams with an entity tag and may be taken up in the middle; how many go on at once is bounded, and one whose reader stands still ends.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '#lib/logger.ts';

export interface Distribution {
  /** With the executables and SHA256SUMS; absent: this control service has none, since it runs from sources. */
  readonly folder?: string;
  /** The text of install.sh. */
  installer(): string | undefined;
}

export interface DistributionOptions {
  readonly distribution: Distribution;
  readonly logger: Logger;
  readonly downloadsAtOnce?: number;
}

const defaultDownloadsAtOnce = 32;
const stalledAfterMs = 60_000;
const retryAfterSeconds = 5;
/** Nothing else of the folder is shown. */
const names = ['berth-linux-x64', 'berth-linux-arm64', 'SHA256SUMS'] as const;

export function addDistributionRoutes(app: FastifyInstance, options: DistributionOptions): void {
  const { distribution, logger, downloadsAtOnce = defaultDownloadsAtOnce } = options;
  let downloads = 0;

  app.get('/install.sh', async (_request, reply) => {
    const text = distribution.installer();
    if (text === undefined) return missing(reply, 'install.sh');
    return reply.type('text/x-shellscript; charset=utf-8').send(text);
  });

  for (const name of names) {
    app.get(`/dist/${name}`, async (request, reply) => {
      if (distribution.folder === undefined) return missing(reply, name);
      const found = await find(join(distribution.folder, name));
      if (found === undefined) return missing(reply, name, distribution.folder);
      return download(request, reply, found);
    });
  }

  function download(request: FastifyRequest, reply: FastifyReply, { path, size, tag }: FoundFile): FastifyReply {
    reply.header('etag', tag).header('accept-ranges', 'bytes').type('application/octet-stream');
    if (request.headers['if-none-match'] === tag) return reply.code(304).send();
    const range = rangeOf(request, size, tag);
    if (range === 'unsatisfiable') return reply.code(416).header('content-range', `bytes */${size}`).send();
    if (downloads >= downloadsAtOnce) {
      reply.code(503).header('retry-after', retryAfterSeconds).type('application/json; charset=utf-8');
      return reply.send({ message: `${downloads} downloads are under way; try again in ${retryAfterSeconds} seconds` });
    }
    downloads += 1;
    reply.raw.once('close', () => (downloads -= 1));
    reply.raw.setTimeout(stalledAfterMs, () => reply.raw.destroy());
    const { start, end } = range ?? { start: 0, end: size - 1 };
    if (range !== undefined) reply.code(206).header('content-range', `bytes ${start}-${end}/${size}`);
    const stream = createReadStream(path, { start, end });
    stream.once('error', (error) => logger.warn({ error, path }, 'a download broke off'));
    return reply.header('content-length', end - start + 1).send(stream);
  }
}

interface FoundFile {
  path: string;
  size: number;
  /** The file is replaced whole, never changed. */
  tag: string;
}

async function find(path: string): Promise<FoundFile | undefined> {
  try {
    const { size, mtimeMs, ino } = await stat(path);
    return { path, size, tag: `"${ino.toString(36)}-${size.toString(36)}-${Math.floor(mtimeMs).toString(36)}"` };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** One range of bytes, as a download that is taken up again asks for; of anything else the whole is sent, as HTTP allows. */
function rangeOf(
  { headers }: FastifyRequest,
  size: number,
  tag: string,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const [, from = '', to = ''] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
  const wantedTag = headers['if-range'];
  if (from === '' || (wantedTag !== undefined && wantedTag !== tag)) return undefined;
  const start = Number(from);
  const end = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  return start > end ? 'unsatisfiable' : { start, end };
}

function missing(reply: FastifyReply, name: string, folder?: string): FastifyReply {
  const why =
    folder === undefined
      ? 'it runs from sources; one that install.sh or `npm run build` has made has the executables'
      : `there is no such file in ${folder}; install.sh --control from a build of that platform puts it there`;
  return reply.code(404).send({ message: `This control service has no ${name}: ${why}.` });
}
