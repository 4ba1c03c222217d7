/** What tests ask of hosts that were installed as people do it, by the commands that people use; whatever the hosts are made of. */
import { z } from 'zod';

export interface InstalledHost {
  /** A line of shell in it; what it prints. Rejects with what it said when it fails. */
  run(command: string, options?: { input?: string }): Promise<string>;
}

const Instances = z.array(
  z.object({
    ec2InstanceId: z.string(),
    status: z.string(),
    agentConnected: z.boolean(),
    runningTasksCount: z.number(),
  }),
);
const Invitation = z.object({ activationCode: z.string(), command: z.string() });
type Invitation = z.infer<typeof Invitation>;

/** `control` is the host of the control service. */
export async function instancesOf(control: InstalledHost): Promise<z.infer<typeof Instances>> {
  return Instances.parse(JSON.parse(await control.run('berth instance list --output json')));
}

export async function connectedAgentsOf(control: InstalledHost): Promise<number> {
  return (await instancesOf(control)).filter(({ agentConnected }) => agentConnected).length;
}

/** `address` is where the machine that is invited reaches control. */
export async function invite(control: InstalledHost, address: string): Promise<Invitation> {
  return Invitation.parse(JSON.parse(await control.run(`berth instance invite --host ${address} --output json`)));
}

/** Types what the invitation says, and its code when that is asked for. What the installer said. */
export async function accept(host: InstalledHost, { command, activationCode }: Invitation): Promise<string> {
  return host.run(command.replaceAll('sudo ', 'BERTH_ACTIVATION_CODE=$(cat) '), { input: activationCode });
}

/** Of tasks, those that run. */
export async function containersOf(host: InstalledHost): Promise<string[]> {
  const ids = await host.run('docker ps -q --no-trunc --filter label=com.amazonaws.ecs.task-arn');
  return ids
    .split('\n')
    .filter((id) => id !== '')
    .toSorted();
}

/** A service of containers that idle and end as soon as they are told to. */
export async function createService(
  control: InstalledHost,
  { name, image, memory, desiredCount }: { name: string; image: string; memory: number; desiredCount: number },
): Promise<void> {
  const container = { name: 'main', image, memory, command: ['sleep', '100000'], stopTimeout: 2 };
  const definition = JSON.stringify({ family: name, containerDefinitions: [container] });
  const file = `/root/${name}.json`;
  await control.run(`cat >${file} && berth taskdef register ${file} && rm ${file}`, { input: definition });
  await control.run(`berth service create ${name} --task-definition ${name} --desired-count ${desiredCount}`);
}

/** All that an installation may leave on a disk. Without it, an empty text. */
export const whatIsLeft =
  'ls -d /etc/berth /opt/berth /var/lib/berth /var/lib/berth-agent /etc/systemd/system/berth* /usr/local/bin/berth 2>/dev/null || :; id berth 2>/dev/null || :';
