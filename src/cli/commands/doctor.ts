/** `berth doctor`: whether this machine is fit to be a host, or still is: a verdict for each thing that matters, and the fix of what is not well. */
import { Option, type Command } from 'commander';
import { printJson, type CliContext } from '../context.ts';
import { isBroken, judge, type Finding, type Role } from '../doctor/findings.ts';
import { readInstalled } from '../doctor/installed.ts';
import { observe } from '../doctor/observe.ts';
import { CliError } from '../errors.ts';
import { renderTable } from '../output/table.ts';

interface DoctorOptions {
  role?: Role;
  control?: string;
}

const styles = { ok: 'green', warning: 'yellow', broken: 'red' } as const;

export function addDoctorCommand(program: Command, context: CliContext): void {
  program
    .command('doctor')
    .description('look whether this machine is fit to run Berth; ends with 1 when something is broken')
    .addOption(
      new Option('--role <role>', 'what it is to be: by default what is installed, or both').choices([
        'control',
        'agent',
      ]),
    )
    .option('--control <url>', 'the control service that its agent is to reach, such as https://10.0.0.5:4567')
    .action((options: DoctorOptions) => doctor(context, options));
}

async function doctor(context: CliContext, { role, control }: DoctorOptions): Promise<void> {
  const installed = readInstalled();
  if (control !== undefined && !URL.canParse(control)) {
    throw new CliError(`--control ${control}: expected an address, such as https://10.0.0.5:4567`, { exitCode: 2 });
  }
  const roles: readonly Role[] =
    role !== undefined ? [role] : installed.roles.length > 0 ? installed.roles : ['control', 'agent'];
  const asked = control === undefined ? installed : { ...installed, control: new URL(control).origin };
  const findings = judge(await observe({ roles, installed: asked, clock: context.clock }));
  if (context.output === 'json') printJson(context, findings);
  else context.terminal.write(table(context, findings));
  if (isBroken(findings)) context.exitCode = 1;
}

function table(context: CliContext, findings: readonly Finding[]): string {
  const text = renderTable<Finding>(
    [
      { title: 'CHECK', value: ({ check }) => check },
      { title: 'VERDICT', value: ({ verdict }) => verdict },
      { title: 'FOUND', value: ({ found }) => found },
      { title: 'FIX', value: ({ fix }) => fix ?? '' },
    ],
    findings,
  );
  const [head = '', ...lines] = text.split('\n');
  const coloured = lines.map((line, index) => {
    const verdict = findings[index]?.verdict ?? 'ok';
    return line.replace(` ${verdict}`, ` ${context.terminal.style(styles[verdict], verdict)}`);
  });
  return [head, ...coloured].join('\n');
}
