/**
 * The credentials that stand for the secrets named by `repositoryCredentials`, in a file of the machine's operator:
 * {"<ARN or name>": {"username", "password"}}. Read at each pull, so that a rotation needs no restart; kept nowhere and never repeated in a message.
 * Only its owner may read the file.
 */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { EngineError, type RegistryCredentials } from './container-engine.ts';

export interface RegistrySecrets {
  /** Rejects a file that cannot be used, with an EngineError that says what is to be done. */
  check(): void;
  /** Throws an EngineError (`no-credentials`) that names the secret. */
  find(secret: string): RegistryCredentials;
}

const Secrets = z.record(
  z.string().min(1),
  z.strictObject({ username: z.string().min(1), password: z.string().min(1) }),
);

const bitsOfOthers = 0o077;

export function createRegistrySecrets(path: string): RegistrySecrets {
  function read(): Map<string, RegistryCredentials> {
    const parsed = Secrets.safeParse(parseJson(readPrivately(path), path));
    if (parsed.success) return new Map(Object.entries(parsed.data));
    const issue = parsed.error.issues[0];
    throw unusable(`${path}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not understood'}`);
  }

  return {
    check: () => void read(),
    find(secret) {
      const all = read();
      const wanted = namesOf(secret);
      const found =
        all.get(secret) ?? [...all].find(([key]) => namesOf(key).some((name) => wanted.includes(name)))?.[1];
      if (found !== undefined) return found;
      throw unusable(`the secret ${secret} is not in ${path} of this machine; add it there, no restart is needed`);
    },
  };
}

/** The file is opened once, so that what was looked at is what is read. */
function readPrivately(path: string): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw unusable(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  try {
    const mode = fstatSync(file).mode & 0o777;
    if ((mode & bitsOfOthers) !== 0) {
      throw unusable(`${path} may be read or changed by others (mode ${mode.toString(8)}); chmod 600 ${path}`);
    }
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

/** Without the parser's message, which repeats what it read. */
function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw unusable(`${path} is not JSON`);
  }
}

/** A secret's name may be given for its ARN and the other way round; ARNs end with six characters that Secrets Manager chose. */
function namesOf(secret: string): string[] {
  const name = /^arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:(.+)$/.exec(secret)?.[1];
  return name === undefined ? [secret] : [name, name.replace(/-[A-Za-z0-9]{6}$/, '')];
}

function unusable(message: string, cause?: unknown): EngineError {
  return new EngineError('no-credentials', message, cause === undefined ? {} : { cause });
}
