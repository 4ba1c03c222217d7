/** Docker Swarm at the same work on the same engine, through the `docker` command line as its users have it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { systemClock } from '#lib/clock.ts';

const execute = promisify(execFile);
const pollMs = 20;
const waitMs = 120_000;

export interface Swarm {
  /** Milliseconds from `service create` until all replicas run. */
  createService(name: string, replicas: number): Promise<number>;
  /** Milliseconds from the kill of one container until as many run again. */
  killOne(name: string, replicas: number): Promise<number>;
  close(): Promise<void>;
}

export async function startSwarm(host: string, image: string, command: readonly string[]): Promise<Swarm> {
  const docker = async (...args: string[]): Promise<string> =>
    (await execute('docker', ['-H', host, ...args])).stdout.trim();
  await docker('swarm', 'init', '--advertise-addr', '127.0.0.1');

  async function runningContainers(name: string): Promise<string[]> {
    const text = await docker('ps', '--quiet', '--no-trunc', '--filter', `label=com.docker.swarm.service.name=${name}`);
    return text === '' ? [] : text.split('\n');
  }

  async function until(name: string, isDone: (running: string[]) => boolean): Promise<void> {
    const limit = systemClock.now() + waitMs;
    while (!isDone(await runningContainers(name))) {
      if (systemClock.now() > limit) throw new Error(`swarm service ${name} did not get there in ${waitMs / 1000} s`);
      await systemClock.sleep(pollMs);
    }
  }

  return {
    async createService(name, replicas) {
      const began = systemClock.now();
      const shape = [
        '--replicas',
        String(replicas),
        '--limit-memory',
        '16m',
        '--endpoint-mode',
        'dnsrr',
        '--no-resolve-image',
      ];
      await docker('service', 'create', '--detach', '--quiet', '--name', name, ...shape, image, ...command);
      await until(name, (running) => running.length === replicas);
      return systemClock.now() - began;
    },
    async killOne(name, replicas) {
      const [victim = ''] = await runningContainers(name);
      const began = systemClock.now();
      await docker('kill', victim);
      await until(name, (running) => running.length === replicas && !running.includes(victim));
      return systemClock.now() - began;
    },
    async close() {
      const services = await docker('service', 'ls', '--quiet');
      if (services !== '') await docker('service', 'rm', ...services.split('\n'));
      await docker('swarm', 'leave', '--force');
    },
  };
}
