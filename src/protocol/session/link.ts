/** One end of an ordered, message-framed connection between agent and control, whatever carries it (WebSocket, or a simulated lossy link). */

export interface LinkHandlers {
  message(text: string): void;
  /** Called exactly once, for every kind of end; nothing follows. */
  closed(code: number, reason: string): void;
}

export interface Link {
  /** Queues a message. Never throws; after the end it is dropped. */
  send(text: string): void;
  /** Bytes handed to `send` that have not left this process yet. */
  readonly bufferedBytes: number;
  close(code: number, reason: string): void;
  /** Ends at once, without a closing handshake; for a peer that no longer answers. */
  terminate(): void;
}
