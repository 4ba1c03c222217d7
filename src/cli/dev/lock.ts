/**
 * One `dev` command at a time per state folder: two that start or stop the same daemons would lose each other's. The lock is the name of an abstract Unix
 * socket, which the kernel frees with the process, however that one ends.
 */
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { CliError } from '../errors.ts';

/** Rejects with a CliError when another command is at work on `home`. */
export async function whileAlone<T>(home: string, work: () => Promise<T>): Promise<T> {
  const lock = await take(`\0berth-dev-${createHash('sha256').update(home).digest('hex')}`, home);
  try {
    return await work();
  } finally {
    lock.close();
  }
}

function take(name: string, home: string): Promise<Server> {
  return new Promise((taken, refuse) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') return refuse(error);
      const message = `another \`berth dev\` command is at work on ${home}`;
      refuse(new CliError(message, { cause: error, next: 'wait until it has ended, then see `berth dev status`' }));
    });
    server.listen(name, () => taken(server));
  });
}
