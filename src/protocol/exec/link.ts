/** One end of the connection between whoever runs a command and control: ordered frames of text and of bytes, whatever carries them. */

export interface ExecLinkHandlers {
  text(text: string): void;
  binary(frame: Uint8Array): void;
  /** Called exactly once, for every kind of end; nothing follows. */
  closed(code: number, reason: string): void;
}

export interface ExecLink {
  /** Queue a frame. Never throw; after the end it is dropped. */
  sendText(text: string): void;
  sendBinary(frame: Uint8Array): void;
  /** Bytes handed over that have not left this process yet. */
  readonly bufferedBytes: number;
  close(code: number, reason: string): void;
  /** Ends at once, without a closing handshake; for a peer that no longer answers. */
  terminate(): void;
}
