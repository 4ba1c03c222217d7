/** Why a session ended, as WebSocket close codes (4000-4999 are private use, RFC 6455 7.4.2). `docs/session.md` explains each. */

export const closeCodes = {
  /** The daemon is going down in order; reconnect with back-off. */
  goingAway: 1001,
  /** A message was not valid; the reason names the field. */
  invalidMessage: 4400,
  /** The join token or the identity was refused. Final until somebody acts. */
  unauthorized: 4401,
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
