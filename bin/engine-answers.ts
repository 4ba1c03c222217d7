/**
 * Asks the Docker Engine behind DOCKER_HOST (or the usual socket) for a sign of life.
 * Exits 0 when it answers, 1 when nothing does, 2 when its socket may not be used by this user. Says why on standard error.
 */
import { request, type RequestOptions } from 'node:http';

const host = process.env['DOCKER_HOST'] || 'unix:///var/run/docker.sock';

const ping = request({ ...addressOf(host), path: '/_ping', timeout: 5000 }, (response) => {
  response.resume();
  finish(response.statusCode === 200 ? 0 : 1, `answered ${response.statusCode}`);
});
ping.on('timeout', () => finish(1, 'no answer within 5 s'));
ping.on('error', (error: NodeJS.ErrnoException) => finish(error.code === 'EACCES' ? 2 : 1, error.message));
ping.end();

function addressOf(dockerHost: string): RequestOptions {
  if (dockerHost.startsWith('unix://')) return { socketPath: dockerHost.slice('unix://'.length) };
  const { hostname, port } = new URL(dockerHost);
  return { hostname, port: port || '2375' };
}

function finish(code: number, why: string): never {
  if (code !== 0) process.stderr.write(`${host}: ${why}\n`);
  process.exit(code);
}
