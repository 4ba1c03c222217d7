/** Asking somebody over HTTP: control, the engine at its socket, whoever holds a port. */
import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { createServer } from 'node:net';
import { TimeoutError } from '#lib/errors.ts';

export interface AskOptions {
  readonly timeoutMs: number;
  readonly socketPath?: string;
  /** PEM of those that an https address may show itself by; by default those of the system. */
  readonly authorities?: string;
  /** Nothing that is told or heard matters. */
  readonly isTrusted?: boolean;
}

const mostBytes = 64 * 1024;

/** GET; rejects when it is not answered with success. */
export function ask(url: string, options: AskOptions): Promise<{ date: string; body: string }> {
  const { timeoutMs, socketPath, authorities, isTrusted } = options;
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? tlsRequest : plainRequest)(
      url,
      {
        timeout: timeoutMs,
        ...(socketPath === undefined ? {} : { socketPath }),
        ...(authorities === undefined ? {} : { ca: authorities }),
        ...(isTrusted === true ? { rejectUnauthorized: false } : {}),
      },
      (answer) => {
        let body = '';
        answer.setEncoding('utf8');
        answer.on('data', (text: string) => (body = `${body}${text}`.slice(0, mostBytes)));
        answer.on('end', () => {
          const { statusCode = 0, headers } = answer;
          if (statusCode >= 200 && statusCode < 300) resolve({ date: headers.date ?? '', body });
          else reject(new Error(`${url} answered ${statusCode}`));
        });
        answer.on('error', reject);
      },
    );
    request.on('timeout', () => request.destroy(new TimeoutError(`GET ${url}`, timeoutMs)));
    request.on('error', reject);
    request.end();
  });
}

/** Whether somebody listens there; tried by listening. An address that this machine does not have is not taken. */
export function isTaken(host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(true);
      else if (error.code === 'EADDRNOTAVAIL') resolve(false);
      else reject(error);
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(false)));
  });
}
