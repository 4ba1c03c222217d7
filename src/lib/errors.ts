/** Errors that carry no domain word. */

export class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
  readonly what: string;
  readonly ms: number;

  constructor(what: string, ms: number) {
    super(`${what} took longer than ${ms / 1000} s`);
    this.what = what;
    this.ms = ms;
  }
}

/** Anything can be thrown; this is its message for a log line or a person, causes included. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${messageOf(error.cause)}`;
}
