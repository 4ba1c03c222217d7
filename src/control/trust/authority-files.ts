/**
 * Control's certificate authorities, kept in the folder `ca` of its home: one, or two while one takes the place of the other. Which of them does what stands in
 * `authorities.json`, whose replacement is the one moment at which that changes; a file that it does not name was left by a crash and is removed. Invariant:
 * every authority that it names is there with its certificate, and the two that serve and issue with their keys.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readFileIfThere } from '#lib/durable-file.ts';
import type { Ids } from '#lib/ids.ts';
import { daysMs } from '#model/machine-trust.ts';
import { ConfigError } from '../config.ts';
import { authorityOf, type Authority } from './authority.ts';
import { writePrivateFile } from './private-files.ts';

/** Long enough that nobody has to think of it, and `berth trust rotate` is there before. */
const authorityMs = 3650 * daysMs;
/** For hosts whose clocks are behind. */
const backdatedMs = daysMs;

export interface Authorities {
  /** Signs control's own certificate: every machine trusts it. */
  readonly serving: Authority;
  /** Signs certificates of machines. Another than `serving` while a rotation is under way. */
  readonly issuing: Authority;
}

const State = z.strictObject({ serving: z.string(), issuing: z.string() });
type State = z.infer<typeof State>;

export interface AuthorityFiles {
  /** What is trusted; makes the first authority when there is none. Rejects with a ConfigError that names the file that is damaged. */
  open(now: number): Promise<Authorities>;
  /** The key of one that serves or issues. */
  keyOf(authority: Authority): string;
  /** Makes a second authority, which issues from now on. */
  begin(now: number): Promise<Authorities>;
  /** The one that issues serves as well, and the other one is gone with its key. */
  finish(): Authorities;
}

export function createAuthorityFiles(home: string, ids: Pick<Ids, 'hex'>): AuthorityFiles {
  const folder = join(home, 'ca');
  const stateFile = join(folder, 'authorities.json');

  function readState(): State | undefined {
    const text = readFileIfThere(stateFile);
    if (text === undefined) return undefined;
    try {
      return State.parse(JSON.parse(text));
    } catch (error) {
      throw damaged(stateFile, error);
    }
  }

  function load(fingerprint: string): Authority {
    const file = certificateFile(fingerprint);
    const text = readFileIfThere(file);
    try {
      const authority = authorityOf(text ?? '');
      if (authority.fingerprint !== fingerprint) throw new Error(`its fingerprint is ${authority.fingerprint}`);
      return authority;
    } catch (error) {
      throw damaged(file, error);
    }
  }

  function loadAll(state: State): Authorities {
    const serving = load(state.serving);
    const authorities = { serving, issuing: state.issuing === state.serving ? serving : load(state.issuing) };
    for (const authority of [authorities.serving, authorities.issuing]) keyOf(authority);
    return authorities;
  }

  function save(state: State): Authorities {
    writePrivateFile(stateFile, `${JSON.stringify(state, undefined, 2)}\n`);
    removeUnnamed(state);
    return loadAll(state);
  }

  async function make(now: number): Promise<string> {
    const { makeAuthority } = await import('#lib/x509.ts');
    // The name has to differ from that of the authority before, which may be trusted beside it.
    const serial = newSerial(ids);
    const { keyPem, certificatePem } = await makeAuthority({
      commonName: `Berth control CA ${serial.slice(0, 8)}`,
      serial,
      validity: { notBefore: now - backdatedMs, notAfter: now + authorityMs },
    });
    const { fingerprint } = authorityOf(certificatePem);
    writePrivateFile(keyFile(fingerprint), keyPem);
    writePrivateFile(certificateFile(fingerprint), certificatePem);
    return fingerprint;
  }

  function removeUnnamed({ serving, issuing }: State): void {
    const named = [serving, issuing].map(fileName);
    for (const name of readdirSync(folder)) {
      const stem = /^ca-([0-9a-f]{16})\./.exec(name)?.[1];
      if (stem !== undefined && !named.includes(`ca-${stem}`)) rmSync(join(folder, name), { force: true });
    }
  }

  function keyOf({ fingerprint }: Authority): string {
    const file = keyFile(fingerprint);
    const text = readFileIfThere(file);
    if (text?.includes('PRIVATE KEY') !== true) throw damaged(file, new Error('it holds no private key'));
    return text;
  }

  const certificateFile = (fingerprint: string): string => join(folder, `${fileName(fingerprint)}.pem`);
  const keyFile = (fingerprint: string): string => join(folder, `${fileName(fingerprint)}.key`);

  return {
    async open(now) {
      const state = readState();
      if (state !== undefined) return loadAll(state);
      const made = await make(now);
      return save({ serving: made, issuing: made });
    },
    keyOf,
    async begin(now) {
      const { serving } = readState() ?? {};
      if (serving === undefined) throw new Error('there is no authority to take the place of');
      return save({ serving, issuing: await make(now) });
    },
    finish() {
      const { issuing } = readState() ?? {};
      if (issuing === undefined) throw new Error('there is no authority');
      return save({ serving: issuing, issuing });
    },
  };
}

/** Positive, and of one length. */
export function newSerial(ids: Pick<Ids, 'hex'>): string {
  return `1${ids.hex(31)}`;
}

function fileName(fingerprint: string): string {
  return `ca-${fingerprint.slice('sha256:'.length, 'sha256:'.length + 16)}`;
}

function damaged(file: string, cause: unknown): ConfigError {
  return new ConfigError(
    `${file} is damaged or missing: restore it from a backup; without it remove the folder, and every machine has to be joined anew`,
    { cause },
  );
}
