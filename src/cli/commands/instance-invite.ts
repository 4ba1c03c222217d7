/**
 * `berth instance invite | activations | revoke`: how machines come to a cluster and lose their certificates. The same as `aws ssm create-activation`, `describe-activations`,
 * `delete-activation` and `deregister-managed-instance`, and with the one command that the machine's operator has to type.
 */
import { createHash } from 'node:crypto';
import { Option, type Command } from 'commander';
import { z } from 'zod';
import { toIsoTime } from '#lib/iso-time.ts';
import { isMachineId } from '#model/machine-trust.ts';
import { printList, printOne, type CliContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { fetchWithin } from '../fetch-within.ts';
import { shortId } from '../format.ts';
import { findInstance } from '../lookup.ts';
import { parseDuration, parsePositive } from '../options.ts';
import { renderFields } from '../output/table.ts';
import { callSsm } from '../signed-fetch.ts';
import { controlUrl, describeTrust } from '../trust.ts';

interface InviteOptions {
  expires: number;
  uses: number;
  tag?: string[];
  host?: string;
}

export function addInviteCommands(instance: Command, context: CliContext): void {
  instance
    .command('invite')
    .description('let machines join: prints the command for them, and a code that they ask for')
    .option('--expires <duration>', 'until when they may: 30m, 1h, 7d, at most 30d', parseDuration, parseDuration('1h'))
    .option('--uses <number>', 'how many machines, at most 1000', parsePositive, 1)
    .addOption(
      new Option('--tag <key=value>', 'a tag of the instances; may be repeated').argParser(
        (text: string, before: string[] | undefined) => [...(before ?? []), text],
      ),
    )
    .option('--host <name>', 'how the machines reach control, when the best guess is wrong')
    .action((options: InviteOptions) => invite(context, options));
  instance
    .command('activations')
    .description('list the invitations')
    .option('--delete <id>', 'take one back')
    .action((options: { delete?: string }) => activations(context, options.delete));
  instance
    .command('revoke')
    .description('take a machine its certificates: its session ends, its containers go on')
    .argument('<id>', 'ARN, id or its beginning of the instance, or the id of the machine')
    .action((id: string) => revoke(context, id));
}

const NewActivation = z.object({ ActivationId: z.string(), ActivationCode: z.string() });

async function invite(context: CliContext, options: InviteOptions): Promise<void> {
  const trust = await describeTrust(context);
  const control = controlUrl(context, trust, options.host);
  const expiresAt = context.clock.now() + options.expires;
  const tags = [{ Key: 'berth:cluster', Value: context.cluster }, ...(options.tag ?? []).map(tagOf)];
  const { ActivationId: activationId, ActivationCode: activationCode } = NewActivation.parse(
    await callSsm(
      context.endpoint(),
      'CreateActivation',
      { IamRole: 'berth', RegistrationLimit: options.uses, ExpirationDate: Math.floor(expiresAt / 1000), Tags: tags },
      context.signal,
    ),
  );
  const caFingerprint = trust.serving.fingerprint;
  const command = await commandFor(context, { control, caFingerprint, activationId });
  const invitation = {
    activationId,
    activationCode,
    expiresAt: toIsoTime(expiresAt),
    registrationLimit: options.uses,
    cluster: context.cluster,
    control,
    caFingerprint,
    command,
  };
  printOne(context, invitation, () =>
    [
      renderFields([
        ['cluster', context.cluster],
        ['machines', String(options.uses)],
        ['until', invitation.expiresAt],
        ['CA fingerprint', caFingerprint],
        ['activation id', activationId],
        ['activation code', activationCode],
      ]),
      '',
      'On the machine, run this as a user who may use sudo. It asks for the activation code:',
      '',
      `  ${command}`,
    ].join('\n'),
  );
}

function tagOf(text: string): { Key: string; Value: string } {
  const at = text.indexOf('=');
  if (at < 1) throw new CliError(`--tag ${text}: expected key=value`, { exitCode: 2 });
  return { Key: text.slice(0, at), Value: text.slice(at + 1) };
}

interface JoinWords {
  readonly control: string;
  readonly caFingerprint: string;
  readonly activationId: string;
}

/** With the installer, where control serves one: its sum is from here, so that it may be fetched by any way. */
async function commandFor(context: CliContext, { control, caFingerprint, activationId }: JoinWords): Promise<string> {
  const words = `--ca-fingerprint ${caFingerprint} --activation-id ${activationId}`;
  const installer = await fetchWithin(context, new URL('/install.sh', context.endpoint().url).href, 10_000);
  if (!installer.ok) return `sudo berth agent join --control ${control} ${words}`;
  const sum = createHash('sha256')
    .update(new Uint8Array(await installer.arrayBuffer()))
    .digest('hex');
  return (
    `curl -fsSk ${control}/install.sh -o berth-install.sh && echo "${sum}  berth-install.sh" | sha256sum -c && ` +
    `sudo sh berth-install.sh --join ${control} ${words}`
  );
}

const Activations = z.object({
  ActivationList: z.array(
    z.object({
      ActivationId: z.string(),
      IamRole: z.string(),
      RegistrationLimit: z.number(),
      RegistrationsCount: z.number(),
      ExpirationDate: z.number(),
      Expired: z.boolean(),
      Tags: z.array(z.object({ Key: z.string(), Value: z.string() })),
    }),
  ),
  NextToken: z.string().optional(),
});
type ShownActivation = z.infer<typeof Activations>['ActivationList'][number];

async function activations(context: CliContext, deleted: string | undefined): Promise<void> {
  if (deleted !== undefined) {
    await callSsm(context.endpoint(), 'DeleteActivation', { ActivationId: deleted }, context.signal);
    return printOne(context, { activationId: deleted }, () => `activation ${deleted} lets nobody join any more`);
  }
  const rows: ShownActivation[] = [];
  let next: string | undefined;
  do {
    const input = next === undefined ? {} : { NextToken: next };
    const page = Activations.parse(await callSsm(context.endpoint(), 'DescribeActivations', input, context.signal));
    rows.push(...page.ActivationList);
    next = page.NextToken;
  } while (next !== undefined);
  printList(context, {
    rows,
    columns: [
      { title: 'ID', value: ({ ActivationId }) => ActivationId },
      { title: 'CLUSTER', value: ({ Tags }) => Tags.find(({ Key }) => Key === 'berth:cluster')?.Value ?? '' },
      { title: 'USED', value: ({ RegistrationsCount: used, RegistrationLimit: limit }) => `${used}/${limit}` },
      {
        title: 'UNTIL',
        value: ({ ExpirationDate, Expired }) => (Expired ? 'expired' : toIsoTime(Math.round(ExpirationDate * 1000))),
      },
    ],
    empty: 'no invitations; make one with `berth instance invite`',
  });
}

async function revoke(context: CliContext, id: string): Promise<void> {
  const machineId = id.includes('-') && isMachineId(id) ? id : (await findInstance(context, id)).ec2InstanceId;
  if (machineId === undefined) throw new CliError(`${shortId(id)} has no machine`);
  await callSsm(context.endpoint(), 'DeregisterManagedInstance', { InstanceId: machineId }, context.signal);
  printOne(
    context,
    { machineId },
    () =>
      `machine ${machineId} has no valid certificate any more; its containers go on until somebody stops them there.\n` +
      `When it is gone for good: aws ecs deregister-container-instance --force --container-instance …`,
  );
}
