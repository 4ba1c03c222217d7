/** `berth env`: the exports that point `aws` and every SDK at the cluster; for `eval "$(berth env)"`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import type { Endpoint } from '../config.ts';
import { printJson, type CliContext } from '../context.ts';
import { controlUrl, describeTrust } from '../trust.ts';

type Shell = 'sh' | 'fish';

export function addEnvCommand(program: Command, context: CliContext): void {
  program
    .command('env')
    .description('print what to export so that `aws` talks to this cluster')
    .addOption(new Option('--shell <name>', 'whose syntax').choices(['sh', 'fish']).default('sh'))
    .option('--tls', 'for other machines: the address with TLS, and a file with the authorities by which it is known')
    .action((options: { shell: Shell; tls?: boolean }) => printEnvironment(context, options));
}

export function environmentFor(context: CliContext, tls?: Pick<Endpoint, 'url' | 'caBundle'>): Record<string, string> {
  const { url, region, accessKeyId, secretAccessKey, caBundle } = { ...context.endpoint(), ...tls };
  return {
    AWS_ENDPOINT_URL: url,
    ...(caBundle === undefined ? {} : { AWS_CA_BUNDLE: caBundle }),
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
  };
}

/** Quotes for POSIX shells and fish alike: nothing inside single quotes is special but the quote itself. */
function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Writes what is trusted beside the state of development clusters. */
async function tlsEndpoint(context: CliContext): Promise<Pick<Endpoint, 'url' | 'caBundle'>> {
  const trust = await describeTrust(context);
  const url = controlUrl(context, trust, undefined);
  const { home } = context.environment;
  const caBundle = join(home, 'ca.pem');
  await mkdir(home, { recursive: true, mode: 0o700 });
  await writeFile(caBundle, trust.bundle);
  return { url, caBundle };
}

async function printEnvironment(
  context: CliContext,
  { shell, tls = false }: { shell: Shell; tls?: boolean },
): Promise<void> {
  const variables = environmentFor(context, tls ? await tlsEndpoint(context) : undefined);
  if (context.output === 'json') return printJson(context, variables);
  const lines = Object.entries(variables).map(([name, value]) =>
    shell === 'fish' ? `set -gx ${name} ${quote(value)};` : `export ${name}=${quote(value)}`,
  );
  context.terminal.write(lines.join('\n'));
  if (context.terminal.isInteractive)
    context.terminal.note(
      '# use it: eval "$(npx berth env)"; aws --endpoint-url "$AWS_ENDPOINT_URL" ecs list-clusters\n',
    );
}
