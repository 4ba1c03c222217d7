import { describe, expect, test } from 'vitest';
import { createLinkLocal, LinkLocalError, type RunProgram } from '#agent/host/link-local.ts';

const address = '169.254.170.2';
const guard = `BERTH-${address}`;

/** As much of a kernel as the programs are asked for: the addresses of `lo`, and tables of chains of rules. */
function openKernel() {
  const addresses = new Map<string, string | undefined>();
  const chains = new Map<string, string[]>([
    ['filter INPUT', ['-A INPUT -j elsewhere']],
    ['nat PREROUTING', []],
    ['nat OUTPUT', []],
  ]);
  const changes: string[] = [];
  let failing: string | undefined;

  function ip(parameters: readonly string[]): string {
    if (parameters.includes('show')) {
      const info = [...addresses].map(([local, label]) => ({ local, label }));
      return JSON.stringify([{ ifname: 'lo', addr_info: info }]);
    }
    const local = parameters[2]?.replace('/32', '') ?? '';
    if (parameters[1] === 'add') addresses.set(local, parameters.at(-1));
    else addresses.delete(local);
    return '';
  }

  function iptables(parameters: readonly string[]): string {
    const rest = parameters.slice(2);
    const table = rest[0] === '-t' ? (rest[1] ?? '') : 'filter';
    const [verb, chain = '', ...rule] = rest[0] === '-t' ? rest.slice(2) : rest;
    const key = `${table} ${chain}`;
    const rules = chains.get(key) ?? [];
    switch (verb) {
      case '-S':
        if (chain !== '') return rules.join('\n');
        return [...chains].flatMap(([name, held]) => [`-N ${name.split(' ')[1]}`, ...held]).join('\n');
      case '-N':
        chains.set(key, []);
        break;
      case '-F':
        rules.length = 0;
        break;
      case '-X':
        chains.delete(key);
        break;
      case '-A':
        rules.push(['-A', chain, ...rule].join(' '));
        break;
      case '-I':
        rules.unshift(['-A', chain, ...rule.slice(1)].join(' '));
        break;
      case '-D':
        rules.splice(rules.indexOf(['-A', chain, ...rule].join(' ')), 1);
        break;
      default:
        throw new Error(`unexpected ${verb}`);
    }
    return '';
  }

  const run: RunProgram = async (program, parameters) => {
    const line = `${program} ${parameters.join(' ')}`;
    if (failing !== undefined && line.includes(failing)) {
      throw Object.assign(new Error(`Command failed: ${line}`), { stderr: 'Operation not permitted\n' });
    }
    const output = program === 'ip' ? ip(parameters) : iptables(parameters);
    if (!parameters.includes('show') && !parameters.includes('-S')) changes.push(line);
    return output;
  };
  return { addresses, chains, changes, run, fail: (what: string) => void (failing = what) };
}

function linkLocalOn({ run }: ReturnType<typeof openKernel>) {
  return createLinkLocal({ address, port: 80, agentPort: 51_679, bridges: ['docker0', 'berth+'], run });
}

const untouched = {
  'filter INPUT': ['-A INPUT -j elsewhere'],
  'nat PREROUTING': [],
  'nat OUTPUT': [],
};

describe('the link-local address', () => {
  test('is for the machine and its bridges, and port 80 of it is the agent', async () => {
    const kernel = openKernel();
    await linkLocalOn(kernel).ensure();
    const toAgent = `-d ${address}/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination ${address}:51679`;
    expect(Object.fromEntries(kernel.chains)).toEqual({
      'filter INPUT': [`-A INPUT -d ${address}/32 -j ${guard}`, '-A INPUT -j elsewhere'],
      [`filter ${guard}`]: [
        `-A ${guard} -i lo -j ACCEPT`,
        `-A ${guard} -i docker0 -j ACCEPT`,
        `-A ${guard} -i berth+ -j ACCEPT`,
        `-A ${guard} -j DROP`,
      ],
      'nat PREROUTING': [`-A PREROUTING ${toAgent}`],
      'nat OUTPUT': [`-A OUTPUT ${toAgent}`],
    });
    expect(kernel.addresses).toEqual(new Map([[address, 'lo:berth']]));
  });

  test('is left as it is when it is there already', async () => {
    const kernel = openKernel();
    await linkLocalOn(kernel).ensure();
    kernel.changes.length = 0;
    await linkLocalOn(kernel).ensure();
    expect(kernel.changes).toEqual([]);
  });

  test('gets back a rule that somebody took away', async () => {
    const kernel = openKernel();
    await linkLocalOn(kernel).ensure();
    const whole = structuredClone(kernel.chains);
    kernel.chains.get(`filter ${guard}`)?.shift();
    kernel.chains.get('nat OUTPUT')?.shift();
    await linkLocalOn(kernel).ensure();
    expect(kernel.chains).toEqual(whole);
  });

  test('is not touched by an agent that may not do anything', async () => {
    const kernel = openKernel();
    kernel.fail(' ');
    await expect(linkLocalOn(kernel).ensure()).rejects.toThrow(/^Operation not permitted$/);
    expect(kernel.changes).toEqual([]);
  });

  test('loses nothing when a repair fails', async () => {
    const kernel = openKernel();
    await linkLocalOn(kernel).ensure();
    kernel.chains.get('nat OUTPUT')?.shift();
    kernel.fail('-I OUTPUT');
    const before = structuredClone(kernel.chains);
    await expect(linkLocalOn(kernel).repair()).rejects.toThrow('Operation not permitted');
    expect(kernel.chains).toEqual(before);
  });

  test('goes without a trace', async () => {
    const kernel = openKernel();
    await linkLocalOn(kernel).ensure();
    await linkLocalOn(kernel).remove();
    expect(Object.fromEntries(kernel.chains)).toEqual(untouched);
    expect(kernel.addresses.size).toBe(0);
  });

  test('stays when somebody else gave it to the machine', async () => {
    const kernel = openKernel();
    kernel.addresses.set(address, 'lo');
    await linkLocalOn(kernel).ensure();
    await linkLocalOn(kernel).remove();
    expect(kernel.addresses).toEqual(new Map([[address, 'lo']]));
    expect(Object.fromEntries(kernel.chains)).toEqual(untouched);
  });

  test.each(['ip addr add', `-A ${guard}`, '-I PREROUTING', '-I OUTPUT'])(
    'is not there by halves when `%s` fails',
    async (step) => {
      const kernel = openKernel();
      kernel.fail(step);
      await expect(linkLocalOn(kernel).ensure()).rejects.toThrow(new LinkLocalError('Operation not permitted'));
      expect(Object.fromEntries(kernel.chains)).toEqual(untouched);
      expect(kernel.addresses.size).toBe(0);
    },
  );
});
