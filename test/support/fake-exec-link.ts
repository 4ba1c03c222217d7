/** Two ends of a connection for a command in one process, on an injected clock: every frame goes through the clock, in order. */
import type { Clock } from '#lib/clock.ts';
import type { ExecLink, ExecLinkHandlers } from '#protocol/exec/link.ts';

export interface ExecLinkPair {
  readonly clientEnd: ExecLink;
  readonly controlEnd: ExecLink;
  /** Must be called before the first delivery. */
  attach(ends: { client: ExecLinkHandlers; control: ExecLinkHandlers }): void;
  /** Both ends learn of it at once. */
  cut(): void;
  /** Nobody learns of it: what is sent from now on is lost, and stays in the sender's buffer. */
  freeze(): void;
  /** What control sends from now on stays in its buffer. */
  holdAtControl(): void;
}

interface End {
  handlers: ExecLinkHandlers | undefined;
  closed: boolean;
  buffered: number;
  held: boolean;
}

/** WebSocket's code for an end without a closing handshake. */
const abnormalClosure = 1006;

export function createExecLinkPair(clock: Clock): ExecLinkPair {
  const client: End = { handlers: undefined, closed: false, buffered: 0, held: false };
  const control: End = { handlers: undefined, closed: false, buffered: 0, held: false };
  let frozen = false;

  function tellClosed(end: End, code: number, reason: string): void {
    if (end.closed) return;
    end.closed = true;
    end.handlers?.closed(code, reason);
  }

  function linkOf(sender: End, receiver: End): ExecLink {
    function send(bytes: number, deliver: (handlers: ExecLinkHandlers) => void): void {
      if (sender.closed) return;
      if (frozen || sender.held) sender.buffered += bytes;
      else clock.after(0, () => void (!receiver.closed && receiver.handlers && deliver(receiver.handlers)));
    }
    return {
      sendText: (text) => send(text.length, (handlers) => handlers.text(text)),
      sendBinary: (frame) => send(frame.length, (handlers) => handlers.binary(frame)),
      get bufferedBytes() {
        return sender.buffered;
      },
      close(code, reason) {
        clock.after(0, () => tellClosed(sender, code, reason));
        if (!frozen) clock.after(0, () => tellClosed(receiver, code, reason));
      },
      terminate() {
        clock.after(0, () => tellClosed(sender, abnormalClosure, 'terminated'));
        if (!frozen) clock.after(0, () => tellClosed(receiver, abnormalClosure, ''));
      },
    };
  }

  return {
    clientEnd: linkOf(client, control),
    controlEnd: linkOf(control, client),
    attach(ends) {
      client.handlers = ends.client;
      control.handlers = ends.control;
    },
    cut() {
      tellClosed(client, abnormalClosure, '');
      tellClosed(control, abnormalClosure, '');
    },
    freeze: () => void (frozen = true),
    holdAtControl: () => void (control.held = true),
  };
}
