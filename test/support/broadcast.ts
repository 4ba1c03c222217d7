/** Sends values to any number of live readers, each with its own queue. */

export interface Subscription<T> {
  /** What the reader gets before anything live. */
  first: readonly T[];
  wanted(value: T): boolean;
  /** Ends the reader quietly. */
  signal: AbortSignal;
}

interface Reader<T> {
  queue: T[];
  end: 'open' | 'ended' | Error;
  wake(): void;
}

export class Broadcast<T> {
  readonly #readers = new Map<Reader<T>, (value: T) => boolean>();

  send(value: T): void {
    for (const [reader, wanted] of this.#readers) {
      if (!wanted(value)) continue;
      reader.queue.push(value);
      reader.wake();
    }
  }

  /** Readers end after what they have been sent. */
  end(): void {
    this.#finish('ended');
  }

  fail(error: Error): void {
    this.#finish(error);
  }

  /** Subscribed from this call on, not only from the first read. */
  subscribe({ first, wanted, signal }: Subscription<T>): AsyncGenerator<T> {
    const reader: Reader<T> = { queue: [...first], end: signal.aborted ? 'ended' : 'open', wake: () => undefined };
    this.#readers.set(reader, wanted);
    signal.addEventListener('abort', () => finish(reader, 'ended'), { once: true });
    return this.#read(reader);
  }

  async *#read(reader: Reader<T>): AsyncGenerator<T> {
    try {
      for (;;) {
        const next = reader.queue.shift();
        if (next !== undefined) yield next;
        else if (reader.end === 'ended') return;
        else if (reader.end !== 'open') throw reader.end;
        else await new Promise<void>((resolve) => (reader.wake = resolve));
      }
    } finally {
      this.#readers.delete(reader);
    }
  }

  #finish(end: 'ended' | Error): void {
    for (const reader of this.#readers.keys()) finish(reader, end);
    this.#readers.clear();
  }
}

function finish<T>(reader: Reader<T>, end: 'ended' | Error): void {
  reader.end = end;
  reader.wake();
}
