/** Structured logs: one JSON object per line. The only file that knows pino. */
import { destination, pino, stdTimeFunctions, type Logger as PinoLogger } from 'pino';

/** Fields first, then a sentence that is the same every time: what varies belongs into the fields. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A logger that adds `fields` to each line. */
  child(fields: object): Logger;
}

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LoggerOptions {
  /** Which program speaks: 'control', 'agent'. */
  readonly name: string;
  readonly level?: LogLevel;
  /** Where the lines go; standard output by default. */
  readonly stream?: { write(line: string): void };
}

/** An `error` or `err` field is written with its name, message, stack and causes. */
export function createLogger({ name, level = 'info', stream }: LoggerOptions): Logger {
  const options = {
    name,
    level,
    base: {},
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err, err: pino.stdSerializers.err },
  };
  return wrap(pino(options, stream ?? destination({ dest: 1, sync: true })));
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};

function wrap(logger: PinoLogger): Logger {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    child: (fields) => wrap(logger.child(fields)),
  };
}
