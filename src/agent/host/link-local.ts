/**
 * Makes this machine answer at the link-local address of the local endpoints (169.254.170.2:80 unless told otherwise), for its containers and for
 * nobody else. Four things of the kernel, each looked for before it is made, so that doing it again changes nothing:
 *
 * - the address on `lo`, labelled as ours, so that a later agent knows whether it may take it away;
 * - a chain of the filter table that lets the machine itself and its task bridges in, and drops everybody who has found a route from elsewhere;
 * - the jump into it from INPUT;
 * - port 80 of the address led to the agent's own port, for bridges (PREROUTING) and for the machine's network (OUTPUT). Port 80
 *   itself stays free: a program of the machine, or a task, may listen there on all addresses.
 *
 * It needs root's CAP_NET_ADMIN, `ip` and `iptables`. What was begun and could not be finished is taken back.
 */
import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';

export interface LinkLocal {
  /** Rejects with a LinkLocalError when this process may not do it, or a program is missing. */
  ensure(): Promise<void>;
  /** Makes again what is missing of it, and takes nothing back when that fails. Rejects like `ensure`. */
  repair(): Promise<void>;
  /** Takes away what this or an earlier agent made; an address that somebody else gave the machine stays. */
  remove(): Promise<void>;
}

export interface LinkLocalOptions {
  address: string;
  /** Where containers ask. */
  port: number;
  /** Where the agent listens, on the same address. */
  agentPort: number;
  /** Interfaces behind which the tasks are. */
  bridges: readonly string[];
  /** Runs a program of the system and answers its output; tests have their own. */
  run?: RunProgram;
}

/** Rejects with an error that has the program's own words. */
export type RunProgram = (program: 'ip' | 'iptables', parameters: readonly string[]) => Promise<string>;

export class LinkLocalError extends Error {
  override readonly name = 'LinkLocalError';
}

const label = 'lo:berth';
const lockWaitSeconds = '5';
const programTimeoutMs = 15_000;
const programFolders = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];

const Interfaces = z.array(
  z.object({ addr_info: z.array(z.object({ local: z.string().optional(), label: z.string().optional() })) }),
);

interface Rule {
  table: 'filter' | 'nat';
  chain: string;
  rule: readonly string[];
}

export function createLinkLocal(options: LinkLocalOptions): LinkLocal {
  const { address, port, agentPort, bridges, run = runProgram } = options;
  const guard = `BERTH-${address}`;
  const guardRules = [...['lo', ...bridges].map((name) => `-A ${guard} -i ${name} -j ACCEPT`), `-A ${guard} -j DROP`];
  const toAgent = ['-j', 'DNAT', '--to-destination', `${address}:${agentPort}`];
  const asked = ['-d', `${address}/32`, '-p', 'tcp', '-m', 'tcp', '--dport', String(port)];
  const jumps: readonly Rule[] = [
    { table: 'filter', chain: 'INPUT', rule: ['-d', `${address}/32`, '-j', guard] },
    { table: 'nat', chain: 'PREROUTING', rule: [...asked, ...toAgent] },
    { table: 'nat', chain: 'OUTPUT', rule: [...asked, ...toAgent] },
  ];

  let changes = 0;

  async function alter(program: 'ip' | 'iptables', parameters: readonly string[]): Promise<void> {
    await run(program, parameters);
    changes += 1;
  }

  function alterTables(...parameters: string[]): Promise<void> {
    return alter('iptables', ['-w', lockWaitSeconds, ...parameters]);
  }

  function iptables(...parameters: string[]): Promise<string> {
    return run('iptables', ['-w', lockWaitSeconds, ...parameters]);
  }

  /** Undefined when `lo` does not have the address. */
  async function ownership(): Promise<'ours' | 'foreign' | undefined> {
    const interfaces = Interfaces.parse(JSON.parse(await run('ip', ['-j', '-4', 'addr', 'show', 'dev', 'lo'])));
    const found = interfaces.flatMap(({ addr_info }) => addr_info).find(({ local }) => local === address);
    if (found === undefined) return undefined;
    return found.label === label ? 'ours' : 'foreign';
  }

  /** The rules of the guard as iptables lists them; undefined when there is no such chain. */
  async function listGuard(): Promise<string[] | undefined> {
    const all = (await iptables('-S')).split('\n').map((line) => line.trim());
    if (!all.includes(`-N ${guard}`)) return undefined;
    return all.filter((line) => line.startsWith(`-A ${guard} `));
  }

  async function ensureGuard(): Promise<void> {
    const present = await listGuard();
    if (present === undefined) await alterTables('-N', guard);
    if (present?.join('\n') === guardRules.join('\n')) return;
    if (present !== undefined) await alterTables('-F', guard);
    for (const rule of guardRules) await alterTables(...rule.split(' '));
  }

  async function has({ table, chain, rule }: Rule): Promise<boolean> {
    const listed = await iptables('-t', table, '-S', chain);
    return listed.split('\n').some((line) => line.trim() === ['-A', chain, ...rule].join(' '));
  }

  async function make(): Promise<void> {
    if ((await ownership()) === undefined) {
      await alter('ip', ['addr', 'add', `${address}/32`, 'dev', 'lo', 'scope', 'host', 'label', label]);
    }
    await ensureGuard();
    for (const jump of jumps) {
      // First in its chain: other programs lead port 80 elsewhere, or close what they do not know.
      if (!(await has(jump))) await alterTables('-t', jump.table, '-I', jump.chain, '1', ...jump.rule);
    }
  }

  async function remove(): Promise<void> {
    for (const jump of jumps.toReversed()) {
      if (await has(jump)) await iptables('-t', jump.table, '-D', jump.chain, ...jump.rule);
    }
    if ((await listGuard()) !== undefined) {
      await iptables('-F', guard);
      await iptables('-X', guard);
    }
    if ((await ownership()) === 'ours') await run('ip', ['addr', 'del', `${address}/32`, 'dev', 'lo']);
  }

  return {
    async ensure() {
      changes = 0;
      try {
        await make();
      } catch (cause) {
        if (changes === 0) throw new LinkLocalError(words(cause), { cause });
        const taken = await remove().then(
          () => '',
          () => '; what had been made of it could not be taken back',
        );
        throw new LinkLocalError(`${words(cause)}${taken}`, { cause });
      }
    },
    repair: () => inOurWords(make()),
    remove: () => inOurWords(remove()),
  };
}

async function inOurWords(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (cause) {
    throw new LinkLocalError(words(cause), { cause });
  }
}

async function runProgram(program: 'ip' | 'iptables', parameters: readonly string[]): Promise<string> {
  const path = await find(program);
  const { stdout } = await promisify(execFile)(path, [...parameters], { timeout: programTimeoutMs });
  return stdout;
}

async function find(program: string): Promise<string> {
  for (const folder of programFolders) {
    const path = join(folder, program);
    const found = await access(path).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  throw new LinkLocalError(`the program ${program} is not installed`);
}

/** What the program itself said, without the command line that Node puts before it. */
function words(error: unknown): string {
  const spoken = error instanceof Error && 'stderr' in error && typeof error.stderr === 'string' ? error.stderr : '';
  const [line = ''] = spoken.trim().split('\n');
  if (line !== '') return line;
  return error instanceof Error ? error.message : String(error);
}
