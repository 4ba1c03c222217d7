/** `berth env`: the exports that point `aws` and every SDK at the cluster; for `eval "$(berth env)"`. */
import { Option, type Command } from 'commander';
import { printJson, type CliContext } from '../context.ts';

type Shell = 'sh' | 'fish';

export function addEnvCommand(program: Command, context: CliContext): void {
  program
    .command('env')
    .description('print what to export so that `aws` talks to this cluster')
    .addOption(new Option('--shell <name>', 'whose syntax').choices(['sh', 'fish']).default('sh'))
    .action((options: { shell: Shell }) => printEnvironment(context, options.shell));
}

export function environmentFor(context: CliContext): Record<string, string> {
  const { url, region, accessKeyId, secretAccessKey } = context.endpoint();
  return {
    AWS_ENDPOINT_URL: url,
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

function printEnvironment(context: CliContext, shell: Shell): void {
  const variables = environmentFor(context);
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
