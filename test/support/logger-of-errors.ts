/** A logger that hands over errors, with the fields of its parents, and keeps all else to itself. */
import { silentLogger, type Logger } from '#lib/logger.ts';

export function loggerOfErrors(onError: (fields: object, message: string) => void): Logger {
  return {
    ...silentLogger,
    error: onError,
    child: (fields) => loggerOfErrors((more, message) => onError({ ...fields, ...more }, message)),
  };
}
