/** Fields that shape the process: what it runs, as whom, with which rights and limits, seen from inside. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRealCell, type RealCell } from '#test/support/real-cell.ts';
import { container, looking, runToEnd, type Ended } from './inside.ts';

let cell: RealCell;
beforeAll(async () => {
  cell = await openRealCell();
});
afterAll(async () => {
  await cell.close();
});

describe('a container', () => {
  let ended: Ended;
  beforeAll(async () => {
    ended = await runToEnd(cell, {
      containerDefinitions: [
        container('entry', {
          entryPoint: ['/bin/sh', '-c', `echo '@@ args'; echo "$0 $1"; echo "$GREETING"`],
          command: ['first', 'second'],
          environment: [
            { name: 'GREETING', value: 'hello world' },
            { name: 'AWS_REGION', value: 'eu-north-1' },
          ],
        }),
        container('identity', {
          user: '1000:1000',
          workingDirectory: '/tmp',
          environment: [{ name: 'ODD', value: `a='b' "c" $HOME` }],
          command: looking({ id: 'id -u; id -g', pwd: 'pwd', env: 'env | sort' }),
        }),
        container('rights', {
          linuxParameters: { capabilities: { add: ['NET_ADMIN', 'SYS_PTRACE'], drop: ['CHOWN', 'MKNOD'] } },
          command: looking({
            effective: `grep CapEff /proc/1/status | cut -f2`,
            chown: 'touch /tmp/x; chown 1:1 /tmp/x || true',
          }),
        }),
        container('plain', {
          command: looking({
            effective: `grep CapEff /proc/1/status | cut -f2`,
            pid1: 'cat /proc/1/comm',
            seccomp: 'grep ^Seccomp: /proc/1/status | cut -f2',
            newPrivileges: 'grep NoNewPrivs /proc/1/status | cut -f2',
            shares: 'cat /sys/fs/cgroup/cpu/cpu.shares',
            tty: 'test -t 0 && echo yes || echo no',
            stdin: 'cat; echo ended',
            write: 'echo x > /new && cat /new',
          }),
        }),
        container('limited', {
          cpu: 512,
          memory: 64,
          memoryReservation: 48,
          ulimits: [
            { name: 'nofile', softLimit: 512, hardLimit: 1024 },
            { name: 'nproc', softLimit: 64, hardLimit: 64 },
            { name: 'core', softLimit: 0, hardLimit: 0 },
          ],
          linuxParameters: { initProcessEnabled: true, maxSwap: 16, swappiness: 10 },
          systemControls: [
            { namespace: 'net.core.somaxconn', value: '321' },
            { namespace: 'kernel.msgmax', value: '9000' },
          ],
          dockerSecurityOptions: ['no-new-privileges'],
          readonlyRootFilesystem: true,
          pseudoTerminal: true,
          command: looking({
            shares: 'cat /sys/fs/cgroup/cpu/cpu.shares',
            hard: 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes',
            soft: 'cat /sys/fs/cgroup/memory/memory.soft_limit_in_bytes',
            swap: 'cat /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes',
            swappiness: 'cat /sys/fs/cgroup/memory/memory.swappiness',
            nofile: 'grep open /proc/1/limits',
            nproc: 'grep processes /proc/1/limits',
            core: 'grep core /proc/1/limits',
            pid1: 'cat /proc/1/comm',
            somaxconn: 'cat /proc/sys/net/core/somaxconn',
            msgmax: 'cat /proc/sys/kernel/msgmax',
            newPrivileges: 'grep NoNewPrivs /proc/1/status | cut -f2',
            tty: 'test -t 1 && echo yes || echo no',
            write: 'echo x > /new || true',
          }),
        }),
        container('open', {
          interactive: true,
          dockerSecurityOptions: ['seccomp=unconfined'],
          command: looking({
            seccomp: 'grep ^Seccomp: /proc/1/status | cut -f2',
            // An open standard input gives nothing and does not end: the wait is cut short.
            stdin: 'timeout 1 cat; echo $?',
          }),
        }),
      ].map((one) => ({ ...one, essential: one.name === 'open' })),
    });
  });

  it('runs entryPoint with command behind it, in its environment', () => {
    expect(ended.said['entry']).toEqual({ args: 'first second\nhello world' });
  });

  it('is the user, in the folder, with the variables that it asks for, and those of ECS', () => {
    const { id, pwd, env } = ended.said['identity'] ?? {};
    expect({ id, pwd }).toEqual({ id: '1000\n1000', pwd: '/tmp' });
    expect(env?.split('\n')).toEqual(
      expect.arrayContaining([
        `ODD=a='b' "c" $HOME`,
        'AWS_EXECUTION_ENV=AWS_ECS_EC2',
        'AWS_REGION=us-east-1',
        'AWS_DEFAULT_REGION=us-east-1',
      ]),
    );
  });

  it('has the capabilities of the engine, with those added and without those dropped', () => {
    const { chown, sysPtrace, netAdmin, mknod } = { chown: 0, netAdmin: 12, sysPtrace: 19, mknod: 27 };
    const rights = capabilities(ended.said['rights']);
    const plain = capabilities(ended.said['plain']);
    expect([netAdmin, sysPtrace, chown, mknod].map((bit) => [plain.has(bit), rights.has(bit)])).toEqual([
      [false, true],
      [false, true],
      [true, false],
      [true, false],
    ]);
    expect(ended.said['rights']?.['chown']).toContain('Operation not permitted');
  });

  it('that asks for nothing special gets the defaults', () => {
    expect(ended.said['plain']).toMatchObject({
      pid1: 'sh',
      seccomp: '2',
      newPrivileges: '0',
      shares: '8',
      tty: 'no',
      stdin: 'ended',
      write: 'x',
    });
  });

  it('has its cpu shares, memory limits and swap', () => {
    const mebibyte = 2 ** 20;
    expect(ended.said['limited']).toMatchObject({
      shares: '512',
      hard: `${64 * mebibyte}`,
      soft: `${48 * mebibyte}`,
      swap: `${(64 + 16) * mebibyte}`,
      swappiness: '10',
    });
  });

  it('has its ulimits, an init process, its kernel settings and a terminal', () => {
    expect(ended.said['limited']).toMatchObject({
      nofile: expect.stringMatching(/Max open files\s+512\s+1024/),
      nproc: expect.stringMatching(/Max processes\s+64\s+64/),
      core: expect.stringMatching(/Max core file size\s+0\s+0/),
      pid1: 'docker-init',
      somaxconn: '321',
      msgmax: '9000',
      tty: 'yes',
    });
  });

  it('has its security options and a root file system that cannot be written', () => {
    expect(ended.said['limited']?.['newPrivileges']).toBe('1');
    expect(ended.said['open']?.['seccomp']).toBe('0');
    expect(ended.said['limited']?.['write']).toContain('Read-only file system');
  });

  it('that is interactive has an open standard input', () => {
    expect(ended.said['open']?.['stdin']).toMatch(/143$/);
  });
});

function capabilities(answers: Record<string, string> = {}): Set<number> {
  const bits = BigInt(`0x${answers['effective']}`);
  return new Set(Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => ((bits >> BigInt(bit)) & 1n) === 1n));
}

describe('overrides of RunTask', () => {
  it('replace command, variables, cpu and memory, for one container of the task', async () => {
    const { said } = await runToEnd(
      cell,
      {
        containerDefinitions: [
          container('app', {
            environment: [
              { name: 'KEPT', value: 'kept' },
              { name: 'CHANGED', value: 'old' },
            ],
            command: ['false'],
          }),
        ],
      },
      {
        containerOverrides: [
          {
            name: 'app',
            cpu: 300,
            memory: 70,
            memoryReservation: 60,
            environment: [
              { name: 'CHANGED', value: 'new' },
              { name: 'ADDED', value: 'added' },
            ],
            command: looking({
              variables: 'echo $KEPT $CHANGED $ADDED',
              shares: 'cat /sys/fs/cgroup/cpu/cpu.shares',
              hard: 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes',
              soft: 'cat /sys/fs/cgroup/memory/memory.soft_limit_in_bytes',
            }),
          },
        ],
      },
    );
    expect(said['app']).toEqual({
      variables: 'kept new added',
      shares: '300',
      hard: `${70 * 2 ** 20}`,
      soft: `${60 * 2 ** 20}`,
    });
  });
});

describe('a privileged container', () => {
  it('has every capability that the host has, or its task says that the engine insists on more', async () => {
    const { task, said } = await runToEnd(cell, {
      containerDefinitions: [
        container('app', { privileged: true, command: looking({ effective: 'grep CapEff /proc/1/status | cut -f2' }) }),
      ],
    });
    const host = /^CapBnd:\s*(\w+)$/m.exec(await readFile('/proc/self/status', 'utf8'))?.[1] ?? '';
    const sysResource = 24;
    if (task.stopCode === 'TaskFailedToStart') {
      expect(capabilities({ effective: host }).has(sysResource)).toBe(false);
      expect(task.stoppedReason).toMatch(/^CannotStartContainerError: .*unable to apply caps/s);
    } else {
      expect(said['app']).toEqual({ effective: host });
    }
  });
});
