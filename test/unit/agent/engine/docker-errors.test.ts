import { expect, test } from 'vitest';
import { engineErrorOf, pullErrorOf, pullStreamError } from '#agent/engine/docker-errors.ts';

const where = 'unix:///run/engine.sock';

function httpError(statusCode: number, message: string): Error {
  return Object.assign(new Error(`(HTTP code ${statusCode}) unexpected - ${message} `), {
    statusCode,
    json: { message },
  });
}

test.each([
  [404, 'No such image: web:1', 'image-not-found'],
  [404, 'No such container: abc', 'not-found'],
  [409, 'Conflict. The container name "/a" is already in use by container "b".', 'name-conflict'],
  [409, 'remove x: volume is in use - [abc]', 'in-use'],
  [400, 'invalid mount config for type "bind"', 'invalid'],
  [
    500,
    'driver failed programming external connectivity: Bind for 0.0.0.0:80 failed: port is already allocated',
    'port-conflict',
  ],
  [500, 'listen tcp4 0.0.0.0:80: bind: address already in use', 'port-conflict'],
  [500, 'mkdir /var/lib/docker: no space left on device', 'disk-full'],
  [500, 'something else', 'internal'],
])('a call that fails with %i %s is %s, in the engine’s words', (status, words, kind) => {
  expect(engineErrorOf(httpError(status, words), where)).toMatchObject({ kind, message: words });
});

test.each([
  ["pull access denied for shop/web, repository does not exist or may require 'docker login'", 'image-not-found'],
  ['manifest for registry.example/web:9 not found: manifest unknown: manifest unknown', 'image-not-found'],
  ['Get "https://registry.example/v2/": unauthorized: authentication required', 'unauthorized'],
  ['toomanyrequests: You have reached your pull rate limit.', 'rate-limited'],
  ['no matching manifest for linux/arm64/v8 in the manifest list entries', 'wrong-platform'],
  ['write /var/lib/docker/tmp/x: no space left on device', 'disk-full'],
  ['Get "https://registry.example/v2/": dial tcp: lookup registry.example: no such host', 'network'],
  ['Get "https://registry.example/v2/": net/http: TLS handshake timeout', 'network'],
  ['unexpected EOF', 'network'],
  ['expected HTTP 206 from byte range request', 'network'],
  ['something else', 'internal'],
])('a pull that fails with “%s” is %s', (words, kind) => {
  expect(pullStreamError(words)).toMatchObject({ kind, message: words });
  expect(pullErrorOf(httpError(500, words), where)).toMatchObject({ kind, message: words });
});

test('nobody at the address is unreachable, and the message names the address', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  expect(engineErrorOf(refused, where)).toMatchObject({
    kind: 'unreachable',
    message: expect.stringContaining(where),
    cause: refused,
  });
});

test('an answer that makes no sense is not taken for silence', () => {
  expect(engineErrorOf(new Error('expected string'), where)).toMatchObject({ kind: 'internal' });
});
