/** A line to a server on a Unix socket, by TCP, that can be cut like a cable: nothing breaks, nothing arrives, until it is mended. */
import { connect, createServer, type Socket } from 'node:net';

export interface CuttableLine {
  /** On 127.0.0.1. */
  readonly port: number;
  cut(): void;
  mend(): void;
  close(): Promise<void>;
}

export async function layLine(socketPath: string): Promise<CuttableLine> {
  const ends = new Set<Socket>();
  let isCut = false;

  function lay(from: Socket, to: Socket): void {
    ends.add(from);
    if (isCut) from.pause();
    from.on('data', (bytes: Buffer) => void to.write(bytes));
    from.on('error', () => to.destroy());
    from.on('close', () => {
      ends.delete(from);
      // What breaks at one end is not heard at the other while the line is cut.
      if (!isCut) to.destroy();
    });
    if (isCut) from.pause();
  }

  const server = createServer((client) => {
    const upstream = connect(socketPath);
    lay(client, upstream);
    lay(upstream, client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    cut() {
      isCut = true;
      for (const end of ends) end.pause();
    },
    mend() {
      isCut = false;
      for (const end of ends) end.resume();
    },
    async close() {
      for (const end of ends) end.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
