/** How a session gets a link to control: the port, and the errors that it tells apart. */
import type { Link, LinkHandlers } from '#protocol/session/link.ts';

/**
 * Opens a link; events go to the handlers, `closed` only when the promise was resolved. Rejects with a ConnectError when control answered and
 * refused, with any other error when it could not be reached. `signal` gives up.
 */
export type Connector = (handlers: LinkHandlers, signal: AbortSignal) => Promise<Link>;

/** Control answered, and refused to open a link. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError';
  /** The close code that says the same (`closeCodes`). */
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
