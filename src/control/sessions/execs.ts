/**
 * Commands in containers through one agent's session. Credit goes from end to end: what a client grants is passed on to the agent and the other way
 * round, so nothing is kept here; this end only sees to it that nobody sends beyond its credit or grants beyond the window (S12).
 */
import { createCreditWindow, type CreditWindow } from '#lib/credit.ts';
import { execWindowBytes, type ExecTerminal } from '#protocol/exec/messages.ts';
import type { ExecFromAgent, ExecFromControl, ExecOpen } from '#protocol/session/exec.ts';
import { ExecError } from './exec-grants.ts';

/** What a client hears of its command. */
export interface ExecEvents {
  started(): void;
  output(stream: 'stdout' | 'stderr', data: Uint8Array): void;
  /** So many more bytes of input can be taken. */
  credit(bytes: number): void;
  /** The last event. */
  exited(code: number): void;
  /** The last event: it could not run, or its agent is lost. */
  failed(error: ExecError): void;
}

export interface ExecChannel {
  /** False when it is more than there is credit for. */
  input(data: Uint8Array): boolean;
  endOfInput(): void;
  resize(size: Pick<ExecTerminal, 'columns' | 'rows'>): void;
  /** False when it grants more than the window. */
  credit(bytes: number): boolean;
  /** The client goes. Tells the agent unless the command has ended; no event follows. */
  close(): void;
}

export type ExecRequest = Omit<ExecOpen, 'type' | 'execId'>;

export interface Execs {
  /** Throws an ExecError when there are too many. */
  open(request: ExecRequest, events: ExecEvents): ExecChannel;
  /** False when the agent sent more than it had credit for, or granted more than the window. */
  receive(message: ExecFromAgent): boolean;
  /** Ends every command with the error. */
  dispose(error: ExecError): void;
}

/** Their windows fit into the buffer of a link; the agent has the same limit. */
const maximumExecs = 32;

interface Open {
  readonly events: ExecEvents;
  readonly output: CreditWindow;
  /** What the client may send. */
  inputLeft: number;
  /** What the client has been sent and has not granted anew. */
  outputTaken: number;
}

export function createExecs(send: (message: ExecFromControl) => void): Execs {
  const open = new Map<string, Open>();
  let opened = 0;

  function end(execId: string): boolean {
    return open.delete(execId);
  }

  return {
    open(request, events) {
      if (open.size >= maximumExecs) {
        throw new ExecError('too-many', `the agent already runs ${maximumExecs} commands for others; try again later`);
      }
      opened += 1;
      const execId = `exec-${opened}`;
      const exec: Open = { events, output: execWindow(execId), inputLeft: execWindowBytes, outputTaken: 0 };
      open.set(execId, exec);
      send({ type: 'execOpen', execId, ...request });
      return {
        input(data) {
          if (data.length > exec.inputLeft) return false;
          exec.inputLeft -= data.length;
          if (open.has(execId)) send({ type: 'execInput', execId, data: textOf(data) });
          return true;
        },
        endOfInput() {
          if (open.has(execId)) send({ type: 'execEndOfInput', execId });
        },
        resize({ columns, rows }) {
          if (open.has(execId)) send({ type: 'execResize', execId, columns, rows });
        },
        credit(bytes) {
          if (bytes > exec.outputTaken) return false;
          exec.outputTaken -= bytes;
          exec.output.taken(bytes);
          return true;
        },
        close() {
          if (end(execId)) send({ type: 'execClose', execId });
        },
      };
    },
    receive(message) {
      const exec = open.get(message.execId);
      if (exec === undefined) return true;
      const { events } = exec;
      switch (message.type) {
        case 'execStarted':
          events.started();
          return true;
        case 'execOutput': {
          const data = Buffer.from(message.data, 'base64');
          if (!exec.output.received(data.length)) return false;
          exec.outputTaken += data.length;
          events.output(message.stream, data);
          return true;
        }
        case 'execCredit':
          if (exec.inputLeft + message.bytes > execWindowBytes) return false;
          exec.inputLeft += message.bytes;
          events.credit(message.bytes);
          return true;
        case 'execEnded':
          end(message.execId);
          if (message.outcome.kind === 'exited') events.exited(message.outcome.code);
          else events.failed(new ExecError('failed', message.outcome.error));
          return true;
      }
    },
    dispose(error) {
      for (const [execId, { events }] of open) {
        end(execId);
        events.failed(error);
      }
    },
  };

  function execWindow(execId: string): CreditWindow {
    return createCreditWindow(execWindowBytes, (bytes) => {
      if (open.has(execId)) send({ type: 'execCredit', execId, bytes });
    });
  }
}

function textOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}
