/** `berth trust show | rotate`: the authority by which control and machines know each other, and how it is replaced. */
import type { Command } from 'commander';
import { rotationPath, TrustDescription } from '#protocol/trust/description.ts';
import { printOne, type CliContext } from '../context.ts';
import { renderFields } from '../output/table.ts';
import { answerOf, signedPost } from '../signed-fetch.ts';
import { describeTrust } from '../trust.ts';

export function addTrustCommands(program: Command, context: CliContext): void {
  const trust = program.command('trust').description('the authority by which control and machines know each other');
  trust
    .command('show')
    .description('its fingerprint, until when it holds, and how far a rotation is')
    .action(async () => print(context, await describeTrust(context)));
  trust
    .command('rotate')
    .description('make a new authority, to which the machines move by themselves; then --finish')
    .option('--finish', 'show control by the new authority and forget the old one, when all machines have moved')
    .option('--force', 'with --finish: although machines have not moved, which then have to be joined anew')
    .action((options: { finish?: boolean; force?: boolean }) => rotate(context, options));
}

async function rotate(context: CliContext, options: { finish?: boolean; force?: boolean }): Promise<void> {
  const request = {
    step: options.finish === true ? 'finish' : 'begin',
    ...(options.force === true && { force: true }),
  };
  const response = await signedPost(context.endpoint(), rotationPath, request, context.signal);
  print(context, TrustDescription.parse(await answerOf(response)));
}

function print(context: CliContext, trust: TrustDescription): void {
  printOne(context, trust, () => [renderFields(fieldsOf(trust)), ...adviceOf(trust)].join('\n'));
}

function fieldsOf({ serving, issuing, tls }: TrustDescription): [string, string][] {
  const isRotating = serving.fingerprint !== issuing.fingerprint;
  return [
    ['CA fingerprint', serving.fingerprint],
    ['holds until', serving.notAfter],
    ...(isRotating ? [['new authority', issuing.fingerprint] satisfies [string, string]] : []),
    ['TLS port', tls === undefined ? 'none: control is reached from its own machine alone' : String(tls.port)],
    ...(tls === undefined
      ? []
      : ([
          ['names', tls.names.join(', ')],
          ['certificate until', tls.notAfter],
        ] satisfies [string, string][])),
  ];
}

function adviceOf({ serving, issuing, waiting }: TrustDescription): string[] {
  if (serving.fingerprint === issuing.fingerprint) return [];
  if (waiting.length === 0) {
    return [
      '',
      'All machines have certificates by the new authority. Give clients the new bundle (`berth env`, /ca.pem), then:',
      '  berth trust rotate --finish',
    ];
  }
  const rows = waiting.map(({ hostname, machineId, notAfter }) => `  ${hostname}  ${machineId}  until ${notAfter}`);
  return ['', 'These machines have not moved yet; those that are connected do so by themselves:', ...rows];
}
