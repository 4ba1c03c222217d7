/** Why a session ended, as WebSocket close codes (4000-4999 are private use, RFC 6455 7.4.2). `docs/session.md` explains each. */

export const closeCodes = {
  /** All is said: a command has ended. */
  done: 1000,
  /** The daemon is going down in order; reconnect with back-off. */
  goingAway: 1001,
  /** The peer could not do its part (a full disk, a database out of reach); reconnect with back-off. */
  internalError: 1011,
  /** Too many agents come at once; reconnect with back-off, which spreads them. */
  tryAgainLater: 1013,
  /** A message was not valid; the reason names the field. */
  invalidMessage: 4400,
  /** The join token or the identity was refused. Final until somebody acts. */
  unauthorized: 4401,
  /** The cluster does not exist. Reconnect with back-off: somebody may create it. */
  clusterNotFound: 4404,
  /** The instance was deregistered. Final until the agent is registered anew. */
  deregistered: 4410,
  /** A newer session of the same instance took over. */
  superseded: 4409,
  /** Another live machine has this identity (a cloned disk). Final until somebody acts. */
  duplicateIdentity: 4423,
  /** No common protocol version. */
  versionMismatch: 4426,
  /** The peer read too slowly, and buffers are bounded. */
  slowReader: 4429,
  /** No sign of life within the promised time. */
  heartbeatTimeout: 4408,
  /** The message was longer than allowed. */
  tooLarge: 1009,
} as const;

export type CloseCode = (typeof closeCodes)[keyof typeof closeCodes];

/** A close frame carries at most 123 bytes of reason (RFC 6455 5.5). */
const maximumReasonBytes = 123;

/** The reason, cut to what a close frame can carry. */
export function fitReason(reason: string): string {
  const bytes = new TextEncoder().encode(reason);
  if (bytes.length <= maximumReasonBytes) return reason;
  return `${new TextDecoder().decode(bytes.subarray(0, maximumReasonBytes - 6)).replace(/\uFFFD+$/, '')}…`;
}
