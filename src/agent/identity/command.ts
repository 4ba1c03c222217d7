/**
 * `berth agent join` and `berth agent renew`: programs of a moment, which make keys and certificates so that the agent itself does not have to. What a program is to read goes to
 * standard output, what a person is to read to standard error. The activation's code is never an argument.
 */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { systemClock } from '#lib/clock.ts';
import { systemIds } from '#lib/ids.ts';
import type { Logger } from '#lib/logger.ts';
import { ConfigError, readJoinEnvironment } from '../config.ts';
import { fingerprintOf, readMachineFacts } from '../host/fingerprint.ts';
import { createIdentityFiles } from './identity-files.ts';
import { describeIdentity, join } from './join.ts';
import { renew } from './renew.ts';

const joinUsage = `Usage: berth agent join --control https://HOST:4567 --ca-fingerprint sha256:HEX --activation-id ID [OPTION]...

Gets this machine a certificate from a control service. The command that \`berth instance invite\` prints has the values.

  --control URL                where control is reached over TLS
  --ca-fingerprint sha256:HEX  the fingerprint of control's authority
  --activation-id ID           the activation; its code is asked for, or taken from BERTH_ACTIVATION_CODE
  --activation-code-file FILE  the file that holds the code; - is standard input
  --data-folder FOLDER         the agent's folder (ECS_DATADIR, /var/lib/berth/agent)
  --help                       this text
`;

export async function runJoin(args: readonly string[]): Promise<void> {
  const given = optionsOf(args);
  if (given.help === true) {
    process.stdout.write(joinUsage);
    return;
  }
  const { 'ca-fingerprint': caFingerprint = '', 'activation-id': activationId = '' } = given;
  const control = controlOf(given.control);
  if (!/^sha256:[0-9a-f]{64}$/i.test(caFingerprint)) {
    throw new ConfigError(
      '--ca-fingerprint: expected sha256: and 64 hexadecimal digits, as `berth instance invite` prints',
    );
  }
  if (activationId === '')
    throw new ConfigError('--activation-id: expected the id that `berth instance invite` prints');
  const environment = readJoinEnvironment();
  const { kind, identity } = await join({
    control,
    caFingerprint,
    activationId,
    activationCode: () => activationCode(given['activation-code-file'], environment.activationCode),
    dataFolder: given['data-folder'] ?? environment.dataFolder,
    machine: thisMachine,
    clock: systemClock,
    ids: systemIds,
  });
  const [about, ...settings] = describeIdentity(identity);
  process.stderr.write(
    `${kind === 'joined' ? 'this machine has joined' : 'this machine has joined before'}: ${about}\n`,
  );
  process.stdout.write(`${settings.join('\n')}\n`);
}

/** `control`: `https://host:port`. */
export async function runRenew(settings: { dataFolder: string; control: string; logger: Logger }): Promise<void> {
  const files = createIdentityFiles(settings.dataFolder);
  const { control, logger } = settings;
  const identity = await renew({ files, control, machine: thisMachine, clock: systemClock, logger });
  process.stdout.write(`${JSON.stringify({ machineId: identity.machineId, notAfter: identity.notAfter })}\n`);
}

/** Renewals go to where the session is. */
export function controlOfAgentUrl(controlUrl: string): string {
  return new URL(controlUrl.replace(/^wss:/, 'https:')).origin;
}

async function thisMachine(): Promise<{ hostname: string; fingerprint: string }> {
  return { hostname: hostname(), fingerprint: fingerprintOf(await readMachineFacts()) };
}

function optionsOf(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        control: text,
        'ca-fingerprint': text,
        'activation-id': text,
        'activation-code-file': text,
        'data-folder': text,
        help: { type: 'boolean' },
      },
    });
    return values;
  } catch (error) {
    throw new ConfigError(`${error instanceof Error ? error.message : String(error)}; see berth agent join --help`, {
      cause: error,
    });
  }
}

function controlOf(text: string | undefined): string {
  const url = text === undefined ? null : URL.parse(text);
  if (url?.protocol !== 'https:') {
    throw new ConfigError('--control: expected an address with TLS, such as https://10.0.0.5:4567');
  }
  return url.origin;
}

async function activationCode(file: string | undefined, fromEnvironment: string | undefined): Promise<string> {
  if (file !== undefined) return codeIn(readFileSync(file === '-' ? 0 : file, 'utf8'));
  if (fromEnvironment !== undefined) return codeIn(fromEnvironment);
  if (process.stdin.isTTY !== true) {
    throw new ConfigError(
      'no activation code: set BERTH_ACTIVATION_CODE, or give --activation-code-file FILE (- for standard input)',
    );
  }
  process.stderr.write('Activation code (it is not shown): ');
  // Without an output nothing is echoed.
  const terminal = createInterface({ input: process.stdin, terminal: true });
  try {
    return codeIn(await terminal.question(''));
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}

function codeIn(text: string): string {
  const code = text.trim();
  if (code === '') throw new ConfigError('the activation code is empty');
  return code;
}
