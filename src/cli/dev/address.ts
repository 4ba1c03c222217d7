/** Whether an address is free to listen on, asked of the kernel by listening there for a moment. */
import { createServer } from 'node:net';

/** Answers the error code (EADDRINUSE, EADDRNOTAVAIL, EACCES, …) with which listening at the URL's host and port fails, or undefined when it works. */
export function obstacleToListeningAt(url: string): Promise<string | undefined> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    // A URL leaves out port 80 and puts IPv6 addresses in brackets.
    server.listen(Number(port === '' ? 80 : port), hostname.replace(/^\[(.*)\]$/, '$1'), () =>
      server.close(() => resolve(undefined)),
    );
  });
}
