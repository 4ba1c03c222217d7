/** What is true of containers at any time: none twice (I13), none on another host than its task's (I2), no host overcommitted (I7). */
import { containerNameLabel, machineLabel, taskArnLabel } from '#agent/tasks/container-config.ts';
import type { ContainerObservation } from '#agent/tasks/container-spec.ts';
import type { SimulatedHost } from '#test/support/simulated-host.ts';
import { arnId } from '#model/arn.ts';
import type { Task } from '#model/task.ts';
import type { Rows } from '../mirror.ts';
import { Violation } from '../violation.ts';
import { checkFit } from './resources.ts';

/** Looks at the machines on which something was created or started since the last time. */
export class MachineChecks {
  /** How often something was created or started. */
  readonly #activity = new Map<SimulatedHost, number>();
  /** Task and container name, and where. */
  readonly #places = new Map<string, SimulatedHost>();
  readonly #seen = new Map<SimulatedHost, readonly string[]>();
  /** As last seen: what a restored database has forgotten takes its share of the machine all the same. */
  readonly #tasks = new Map<string, Task>();

  /** `isAmnesiac`: its agent forgot what runs there a short while ago, so it may start new tasks beside what it does not know. */
  check(hosts: readonly SimulatedHost[], rows: Rows, isAmnesiac: (host: SimulatedHost) => boolean): void {
    for (const host of hosts) {
      const activity = host.engine.created.length + host.engine.startCalls;
      if (activity === this.#activity.get(host)) continue;
      this.#activity.set(host, activity);
      this.#checkMachine(host, rows, isAmnesiac(host));
    }
  }

  #checkMachine(host: SimulatedHost, rows: Rows, amnesiac: boolean): void {
    const containers = host.engine.containers();
    this.#forget(host);
    for (const { labels, name } of containers) {
      const key = keyOf(labels);
      const where = this.#places.get(key);
      if (where !== undefined && where.engine.containers().some((other) => keyOf(other.labels) === key)) {
        throw new Violation('I13', `${name} is on ${host.name}, and a second time on ${where.name}`);
      }
      this.#places.set(key, host);
      checkHost(host, labels, rows);
    }
    this.#seen.set(
      host,
      containers.map(({ labels }) => keyOf(labels)),
    );
    const running = this.#runningTasks(containers, rows);
    if (amnesiac) return;
    const machine = host.registration(rows.instances);
    if (machine !== undefined) checkFit(`the machine ${host.name}`, machine.resources, running);
  }

  #runningTasks(containers: readonly ContainerObservation[], rows: Rows): Task[] {
    const running = containers.filter(({ state }) => state === 'running');
    const arns = new Set(running.map(({ labels }) => labels[taskArnLabel] ?? ''));
    for (const arn of arns) {
      const task = rows.tasks.get(arn);
      if (task !== undefined) this.#tasks.set(arn, task);
    }
    return [...arns].flatMap((arn) => this.#tasks.get(arn) ?? []);
  }

  #forget(host: SimulatedHost): void {
    for (const key of this.#seen.get(host) ?? []) if (this.#places.get(key) === host) this.#places.delete(key);
  }
}

/** Of the labels of a container, which are the same object for as long as it lives. */
const keys = new WeakMap<ContainerObservation['labels'], string>();

function keyOf(labels: ContainerObservation['labels']): string {
  const known = keys.get(labels);
  if (known !== undefined) return known;
  const key = `${labels[taskArnLabel]} ${labels[containerNameLabel]}`;
  keys.set(labels, key);
  return key;
}

function checkHost(host: SimulatedHost, labels: ContainerObservation['labels'], rows: Rows): void {
  const task = rows.tasks.get(labels[taskArnLabel] ?? '');
  const instance = rows.instances.get(task?.containerInstanceArn ?? '');
  if (task === undefined || instance === undefined) return;
  if (instance.machineId !== host.machineId || labels[machineLabel] !== host.machineId) {
    throw new Violation('I2', `a container of task ${arnId(task.taskArn)} is on ${host.name}, the task is not`);
  }
}
