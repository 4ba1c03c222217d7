/** Whether a Docker Engine answers at a socket. */
import { request } from 'node:http';

/** False as well where nothing listens, or the socket is not there. */
export function answersPing(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    request({ socketPath, path: '/_ping' }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    })
      .on('error', () => resolve(false))
      .end();
  });
}
