/**
 * What a failed engine call means. The engine tells little by status code and much by its words, so the words decide, and they
 * are kept: the message of the EngineError is what the engine or the registry said, without the client's decoration around it.
 */
import { EngineError, type EngineErrorKind } from './container-engine.ts';

/** What dockerode throws: an HTTP answer has `statusCode`, a broken connection has node's `code`. */
interface EngineFailure extends Error {
  statusCode?: number;
  /** The parsed body, or a buffer when it was no JSON. */
  json?: unknown;
  code?: string;
}

type Rule = readonly [pattern: RegExp, kind: EngineErrorKind];

/** The first that matches decides: a full disk can surface inside any other sentence, a network fault inside a pull's. */
const pullRules: readonly Rule[] = [
  [/no space left on device|disk quota exceeded/i, 'disk-full'],
  [/toomanyrequests|too many requests|rate limit/i, 'rate-limited'],
  [
    /no matching manifest for|operating system "?\w+"? cannot be used|does not match the specified platform/i,
    'wrong-platform',
  ],
  // Docker Hub answers this for every repository that does not exist, so it is rather a wrong name than a wrong password.
  [/repository does not exist|pull access denied/i, 'image-not-found'],
  [
    /unauthorized|authentication required|no basic auth credentials|incorrect username or password|access forbidden|\bdenied\b/i,
    'unauthorized',
  ],
  [/manifest unknown|name unknown|manifest for .* not found|: not found|no such image/i, 'image-not-found'],
  [/invalid reference|invalid repository name|invalid tag format|repository name must be/i, 'invalid'],
  [
    /dial (tcp|udp|unix)|no such host|i\/o timeout|tls handshake|connection (refused|reset)|network is unreachable|client\.timeout|deadline exceeded|x509:|\bEOF\b|server gave HTTP response|received unexpected HTTP status: 5|expected HTTP 206/i,
    'network',
  ],
];

const callRules: readonly Rule[] = [
  [/no space left on device|disk quota exceeded/i, 'disk-full'],
  [/no such image/i, 'image-not-found'],
  [/port is already allocated|address already in use|ports are not available/i, 'port-conflict'],
  [/name .* is already in use|network with name .* already exists/i, 'name-conflict'],
  [/pool overlaps with other one/i, 'address-conflict'],
  [/volume is in use|is being used by/i, 'in-use'],
];

const statusKinds: Readonly<Record<number, EngineErrorKind>> = {
  400: 'invalid',
  401: 'unauthorized',
  403: 'unauthorized',
  404: 'not-found',
  409: 'in-use',
  429: 'rate-limited',
};

/** A failed call other than a pull. `where` is the engine's address, for the case that nobody answered there. */
export function engineErrorOf(error: unknown, where: string): EngineError {
  if (error instanceof EngineError) return error;
  const failure = asFailure(error);
  if (failure.statusCode === undefined) return connectionError(failure, where);
  const words = wordsOf(failure);
  const kind = match(callRules, words) ?? statusKinds[failure.statusCode] ?? 'internal';
  return new EngineError(kind, words, { cause: error });
}

/** A pull that the engine refused before it began. */
export function pullErrorOf(error: unknown, where: string): EngineError {
  if (error instanceof EngineError) return error;
  const failure = asFailure(error);
  if (failure.statusCode === undefined) return connectionError(failure, where);
  const words = wordsOf(failure);
  const kind =
    match(pullRules, words) ?? (failure.statusCode === 404 ? 'image-not-found' : statusKinds[failure.statusCode]);
  return new EngineError(kind ?? 'internal', words, { cause: error });
}

/** An error line in the stream of a pull that had begun. */
export function pullStreamError(words: string): EngineError {
  return new EngineError(match(pullRules, words) ?? 'internal', words);
}

export function hasStatus(error: unknown, ...statusCodes: number[]): boolean {
  const { statusCode } = asFailure(error);
  return statusCode !== undefined && statusCodes.includes(statusCode);
}

/** A connection that nobody answered, or that broke: the engine may or may not have done what it was asked. */
function connectionError(failure: EngineFailure, where: string): EngineError {
  // Node gives each of its connection errors a code; without one it is the answer that made no sense.
  if (failure.code === undefined) return new EngineError('internal', failure.message, { cause: failure });
  return new EngineError('unreachable', `the engine at ${where} does not answer: ${failure.message}`, {
    cause: failure,
  });
}

function match(rules: readonly Rule[], words: string): EngineErrorKind | undefined {
  return rules.find(([pattern]) => pattern.test(words))?.[1];
}

function asFailure(error: unknown): EngineFailure {
  return error instanceof Error ? error : new Error(String(error));
}

function wordsOf(failure: EngineFailure): string {
  const { json } = failure;
  if (typeof json === 'object' && json !== null && 'message' in json && typeof json.message === 'string') {
    return json.message.trim();
  }
  return failure.message.replace(/^\(HTTP code \d+\) .*? - /, '').trim();
}
