/** What is true of containers at any time: none twice (I13), none on another host than its task's (I2), no host overcommitted (I7). */
import { containerNameLabel, machineLabel, taskArnLabel } from '#agent/tasks/container-config.ts';
import type { ContainerObservation } from '#agent/tasks/container-spec.ts';
import type { SimulatedHost } from '#test/support/simulated-host.ts';
import { arnId } from '#model/arn.ts';
import type { Task } from '#model/task.ts';
import type { Rows } from '../mirror.ts';
import { Violation } from '../violation.ts';
import { checkFit } from './resources.ts';

export interface MachineView {
  readonly host: SimulatedHost;
  /** Its agent forgot what runs there a short while ago, so it may start new tasks beside what it does not know. */
  readonly amnesiac: boolean;
}

export function checkMachines(machines: readonly MachineView[], rows: Rows): void {
  const seen = new Map<string, string>();
  for (const { host, amnesiac } of machines) {
    const containers = host.engine.containers();
    for (const { labels, name } of containers) {
      const key = `${labels[taskArnLabel]} ${labels[containerNameLabel]}`;
      const where = seen.get(key);
      if (where !== undefined) throw new Violation('I13', `${name} is on ${host.name}, and a second time on ${where}`);
      seen.set(key, host.name);
      checkHost(host, labels, rows);
    }
    if (amnesiac) continue;
    const machine = [...rows.instances.values()].find(({ machineId }) => machineId === host.machineId);
    if (machine !== undefined) checkFit(`the machine ${host.name}`, machine.resources, runningTasks(containers, rows));
  }
}

function checkHost(host: SimulatedHost, labels: ContainerObservation['labels'], rows: Rows): void {
  const task = rows.tasks.get(labels[taskArnLabel] ?? '');
  const instance = rows.instances.get(task?.containerInstanceArn ?? '');
  if (task === undefined || instance === undefined) return;
  if (instance.machineId !== host.machineId || labels[machineLabel] !== host.machineId) {
    throw new Violation('I2', `a container of task ${arnId(task.taskArn)} is on ${host.name}, the task is not`);
  }
}

function runningTasks(containers: readonly ContainerObservation[], rows: Rows): Task[] {
  const arns = containers.filter(({ state }) => state === 'running').map(({ labels }) => labels[taskArnLabel] ?? '');
  return [...new Set(arns)].flatMap((arn) => rows.tasks.get(arn) ?? []);
}
