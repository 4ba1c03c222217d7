/** Fields that shape a container's network, seen from inside and from the host. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StopTaskCommand } from '@aws-sdk/client-ecs';
import { freePort } from '#test/support/processes.ts';
import { eventually, openRealCell, type RealCell } from '#test/support/real-cell.ts';
import { container, looking, runToEnd, runUntil, type Ended } from './inside.ts';

let cell: RealCell;
beforeAll(async () => {
  cell = await openRealCell();
});
afterAll(async () => {
  await cell.close();
});

const interfaces = 'tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d " " | sort';

/** Serves its own name on a port; `trap` because the first process of a container hears no signal otherwise. */
function serving(text: string, ...ports: number[]): string[] {
  const servers = ports.map((port) => `httpd -p ${port} -h /www`).join('; ');
  const wait = `trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done`;
  return ['/bin/sh', '-c', `mkdir /www; echo ${text} > /www/index.html; ${servers}; ${wait}`];
}

describe('a container in bridge mode', () => {
  let ended: Ended;
  beforeAll(async () => {
    ended = await runToEnd(cell, {
      containerDefinitions: [
        container('server', { hostname: 'db-host', command: serving('served', 8080) }),
        container('named', {
          hostname: 'inside.example',
          dnsServers: ['192.0.2.53', '192.0.2.54'],
          dnsSearchDomains: ['corp.example'],
          extraHosts: [{ hostname: 'extra.example', ipAddress: '192.0.2.7' }],
          links: ['server:database'],
          command: looking({
            hostname: 'hostname',
            resolv: 'cat /etc/resolv.conf',
            hosts: 'cat /etc/hosts',
            interfaces,
            linked: 'for n in 1 2 3 4 5 6 7 8 9; do wget -qO- http://database:8080/ && break; sleep 0.2; done',
          }),
        }),
        container('cut-off', { disableNetworking: true, command: looking({ interfaces }) }),
      ].map((one) => ({ ...one, essential: one.name === 'named' })),
    });
  });

  it('has its host name, name servers, search domains and further hosts', () => {
    const { hostname: name, resolv, hosts } = ended.said['named'] ?? {};
    expect(name).toBe('inside.example');
    expect(resolv).toMatch(/^search corp\.example$/m);
    expect(resolv?.match(/^nameserver .*$/gm)).toEqual(['nameserver 192.0.2.53', 'nameserver 192.0.2.54']);
    expect(hosts).toMatch(/192\.0\.2\.7\s+extra\.example/);
  });

  it('reaches the container that it links to by its alias', () => {
    expect(ended.said['named']?.['hosts']).toMatch(/database db-host/);
    expect(ended.said['named']?.['linked']).toBe('served');
  });

  it('has a network card, or none when its networking is disabled', () => {
    expect(ended.said['named']?.['interfaces']).toContain('eth0');
    expect(ended.said['cut-off']?.['interfaces']).toBe('lo');
  });
});

describe('networkMode', () => {
  it('host is the network of the host', async () => {
    const { said } = await runToEnd(cell, {
      networkMode: 'host',
      containerDefinitions: [
        container('app', {
          portMappings: [{ containerPort: await freePort() }],
          command: looking({ interfaces, hostname: 'hostname' }),
        }),
      ],
    });
    expect(said['app']?.['interfaces']).toContain('docker0');
    expect(said['app']?.['hostname']).toBe(hostname());
  });

  it('none is no network', async () => {
    const { said } = await runToEnd(cell, {
      networkMode: 'none',
      containerDefinitions: [container('app', { command: looking({ interfaces }) })],
    });
    expect(said['app']).toEqual({ interfaces: 'lo' });
  });
});

describe('portMappings', () => {
  it('lead from a port of the host, fixed or chosen, to the port of the container', async () => {
    const fixed = await freePort();
    const task = await runUntil(cell, 'RUNNING', {
      containerDefinitions: [
        container('app', {
          portMappings: [{ containerPort: 8080, hostPort: fixed }, { containerPort: 8081 }],
          command: serving('mapped', 8080, 8081),
        }),
      ],
    });
    const bindings = task.containers?.[0]?.networkBindings ?? [];
    expect(bindings.map(({ containerPort }) => containerPort)).toEqual([8080, 8081]);
    expect(bindings[0]?.hostPort).toBe(fixed);
    for (const { hostPort } of bindings) expect(await pageAt(hostPort)).toBe('mapped\n');
    await cell.ecs.send(new StopTaskCommand({ task: task.taskArn }));
  });
});

describe('containerPortRange', () => {
  it('is as many host ports in a row, told as one binding', async () => {
    const task = await runUntil(cell, 'RUNNING', {
      containerDefinitions: [
        container('app', {
          portMappings: [{ containerPortRange: '8100-8102' }, { containerPortRange: '8200-8200', protocol: 'udp' }],
          command: serving('ranged', 8100, 8102),
        }),
      ],
    });
    const bindings = task.containers?.[0]?.networkBindings ?? [];
    expect(bindings.map(({ containerPortRange, protocol }) => [containerPortRange, protocol])).toEqual([
      ['8100-8102', 'tcp'],
      ['8200-8200', 'udp'],
    ]);
    const [first = 0, last = 0] = bindings[0]?.hostPortRange?.split('-').map(Number) ?? [];
    expect(last - first).toBe(2);
    expect([await pageAt(first), await pageAt(last)]).toEqual(['ranged\n', 'ranged\n']);
    await cell.ecs.send(new StopTaskCommand({ task: task.taskArn }));
  });
});

function pageAt(port: number | undefined): Promise<string> {
  return eventually(`an answer on port ${port}`, async () => (await fetch(`http://127.0.0.1:${port}/`)).text());
}

describe('logConfiguration', () => {
  it('sends what the container says to its log driver, with its options', async () => {
    const receiver = createSocket('udp4').bind(0, '127.0.0.1');
    await once(receiver, 'listening');
    const heard = once(receiver, 'message');
    await runToEnd(cell, {
      containerDefinitions: [
        container('app', {
          command: ['echo', 'to the log'],
          logConfiguration: {
            logDriver: 'gelf',
            options: {
              'gelf-address': `udp://127.0.0.1:${receiver.address().port}`,
              'gelf-compression-type': 'none',
              tag: 'my-tag',
              mode: 'non-blocking',
            },
          },
        }),
      ],
    });
    const [message] = await heard;
    receiver.close();
    expect(JSON.parse(String(message))).toMatchObject({ short_message: 'to the log', _tag: 'my-tag' });
  });
});
