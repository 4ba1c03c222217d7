/**
 * Control here and the agent as a systemd service on the machine under test, for tests that look at both. Invariant: the machine is clean when one opens,
 * and `close` stops the agent and removes what it made.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DescribeContainerInstancesCommand,
  ListContainerInstancesCommand,
  type ContainerInstance,
} from '@aws-sdk/client-ecs';
import { createDockerEngine, type DockerEngine } from '#agent/engine/docker.ts';
import { systemClock } from '#lib/clock.ts';
import { joinMachines } from '#test/support/join-machines.ts';
import { createCell, freePort, type Cell } from '#test/support/processes.ts';
import { readingOf, type CellReading } from '#test/support/real-cell.ts';
import { ensureTestImage } from '#test/support/test-images.ts';
import { patienceMs, patiently, pauseMs, reachMachine, type Machine } from './machine.ts';

export interface VmCell extends CellReading {
  readonly ecs: Cell['ecs'];
  readonly engine: DockerEngine;
  readonly machine: Machine;
  /** How long a task may take here. */
  readonly waitMs: number;
  readonly pauseMs: number;
  /** Where the agent's metrics are. */
  readonly metrics: string;
  instance(): Promise<ContainerInstance>;
  close(): Promise<void>;
}

const metricsPort = 51_680;
const agentFolder = '/var/lib/berth-agent';
const engineSettings = '/etc/docker/daemon.json';
/** Long enough to read the logs of what has ended. */
const cleanupWait = '45s';

export interface VmCellOptions {
  /** Of the engine, besides --live-restore. */
  engine?: Readonly<Record<string, unknown>>;
  /** Of the agent. */
  agent?: Readonly<Record<string, string>>;
}

export async function openVmCell(options: VmCellOptions = {}): Promise<VmCell> {
  const machine = await reachMachine();
  const folder = await mkdtemp(join(tmpdir(), 'berth-vm-cell-'));
  const { address, gateway } = machine.access;
  const [port, tlsPort] = [await freePort(), await freePort()];
  const cell = createCell({
    folder,
    port,
    dockerHost: machine.dockerHost,
    // A machine under emulation may take many minutes to start again, and is not lost by that.
    control: { BERTH_TLS_LISTEN: `${gateway}:${tlsPort}`, BERTH_HEALTHY_AFTER: '1', BERTH_LOST_AFTER: '3600' },
  });
  const control = cell.startControl();
  await cell.untilReady();

  await setEngine(machine, options.engine ?? {});
  const engine = createDockerEngine({ dockerHost: machine.dockerHost, clock: systemClock });
  await ensureTestImage(engine);
  await joinMachine(machine, { cell, folder: join(folder, 'machine'), control: `https://${gateway}:${tlsPort}` });
  await installAgent(machine, {
    BERTH_METRICS_LISTEN: `${address}:${metricsPort}`,
    ECS_DATADIR: agentFolder,
    ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION: cleanupWait,
    ECS_IMAGE_PULL_BEHAVIOR: 'prefer-cached',
    ...options.agent,
  });

  async function instance(): Promise<ContainerInstance> {
    const { containerInstanceArns = [] } = await cell.ecs.send(
      new ListContainerInstancesCommand({ filter: 'agentConnected == true' }),
    );
    const { containerInstances: [found] = [] } = await cell.ecs.send(
      new DescribeContainerInstancesCommand({ containerInstances: containerInstanceArns }),
    );
    if (found === undefined) throw new Error('no instance is connected');
    return found;
  }

  await patiently('the agent to register', instance);
  return {
    ecs: cell.ecs,
    engine,
    machine,
    waitMs: patienceMs,
    pauseMs,
    metrics: `http://${address}:${metricsPort}/metrics`,
    ...readingOf(cell),
    instance,
    async close() {
      await control.stop();
      await machine.run('systemctl disable --now berth-agent');
      await removeAll(machine);
      engine.close();
      cell.ecs.destroy();
      await machine.close();
      await rm(folder, { recursive: true });
    },
  };
}

export async function setEngine(machine: Machine, settings: Readonly<Record<string, unknown>>): Promise<void> {
  const text = JSON.stringify({ 'live-restore': true, ...settings });
  if ((await machine.read(engineSettings)) === text) return;
  await machine.write(engineSettings, text);
  await machine.run('systemctl restart docker');
}

/** Here, with the agent's own program, since that takes seconds; then its files are brought to the machine. */
async function joinMachine(
  machine: Machine,
  { cell, folder, control }: { cell: Cell; folder: string; control: string },
): Promise<void> {
  await joinMachines({ cell, control, dataFolders: [folder] });
  await machine.run(`mkdir -p -m 700 ${agentFolder}`);
  for (const name of await readdir(folder)) {
    await machine.write(`${agentFolder}/${name}`, await readFile(join(folder, name), 'utf8'));
    await machine.run(`chmod 600 ${agentFolder}/${name}`);
  }
}

/** As install.sh does it, but for copying the program: the machine's disk is slow. */
async function installAgent(machine: Machine, settings: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await machine.run(
    'mkdir -p /etc/berth /opt/berth/bin && cp /release/systemd/berth-agent.service /etc/systemd/system/',
  );
  await machine.run(`ln -sfn /release/berth-linux-${process.arch} /opt/berth/bin/berth`);
  await machine.write('/etc/berth/agent.env', lines.join(''));
  await machine.run('systemctl daemon-reload && systemctl enable --now berth-agent');
}

async function removeAll(machine: Machine): Promise<void> {
  await machine.run('docker ps -aq | xargs -r docker rm -f');
  await machine.run(`docker volume prune -f && docker network prune -f && rm -rf ${agentFolder} /etc/berth /opt/berth`);
  await machine.run('rm /etc/systemd/system/berth-agent.service && systemctl daemon-reload');
}
