import { describe, expect, it } from 'vitest';
import { createLogger, silentLogger } from '#lib/logger.ts';

function capture(level?: 'debug' | 'warn') {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  const logger = createLogger({ name: 'control', stream, ...(level && { level }) });
  return { logger, entries: () => lines.map((line) => JSON.parse(line)) };
}

describe('the logger', () => {
  it('writes one JSON object per line, with the fields of its parents', () => {
    const { logger, entries } = capture();
    logger.child({ cluster: 'default' }).info({ taskArn: 'arn' }, 'task started');
    expect(entries()).toMatchObject([
      { level: 'info', name: 'control', cluster: 'default', taskArn: 'arn', msg: 'task started' },
    ]);
    expect(entries()[0].time).toMatch(/^\d{4}-\d{2}-\d{2}T.*Z$/);
  });

  it('writes errors with message, stack and cause', () => {
    const { logger, entries } = capture();
    logger.error({ error: new Error('cannot save', { cause: new Error('disk full') }) }, 'pass failed');
    expect(entries()[0].error).toMatchObject({ type: 'Error', message: 'cannot save: disk full' });
    expect(entries()[0].error.stack).toContain('disk full');
  });

  it('leaves out what is below its level', () => {
    const { logger, entries } = capture('warn');
    logger.debug({}, 'not seen');
    logger.info({}, 'not seen');
    logger.warn({}, 'seen');
    silentLogger.child({}).error({}, 'not seen');
    expect(entries().map(({ msg }) => msg)).toEqual(['seen']);
  });
});
