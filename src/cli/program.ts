/** The command tree: global options, then one file per noun. */
import { Command, Option } from 'commander';
import { addBackupCommand } from './commands/backup.ts';
import { addCapacityProviderCommands } from './commands/capacity-provider.ts';
import { addClusterCommands } from './commands/cluster.ts';
import { addCompletionCommands } from './commands/completion.ts';
import { addDevCommands } from './commands/dev.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addEnvCommand } from './commands/env.ts';
import { addExecCommand } from './commands/exec.ts';
import { addInstanceCommands } from './commands/instance.ts';
import { addLicensesCommand } from './commands/licenses.ts';
import { addServiceCommands } from './commands/service.ts';
import { addTaskCommands } from './commands/task.ts';
import { addTaskDefinitionCommands } from './commands/taskdef.ts';
import { addTaskLogsCommand } from './commands/task-logs.ts';
import { addTrustCommands } from './commands/trust.ts';
import { addUpgradeCommand } from './commands/upgrade.ts';
import { addWhyCommand } from './commands/why.ts';
import type { CliContext } from './context.ts';
import type { OutputMode } from './output/terminal.ts';

const dayToDay = 'Day to day:';
const daemons = 'Daemons:';

export function buildProgram(context: CliContext, version: string): Command {
  const program = new Command('berth')
    .description('Amazon ECS for machines that people own')
    .version(version)
    .addOption(
      new Option('--output <mode>', 'tables for people, JSON for programs').choices(['table', 'json']).default('table'),
    )
    .option('--cluster <name>', 'cluster to work in', context.cluster)
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({ writeErr: (text) => context.terminal.note(text) })
    .hook('preAction', (command) => {
      const { output, cluster } = command.opts<{ output: OutputMode; cluster: string }>();
      context.output = output;
      context.cluster = cluster;
    });
  program.commandsGroup(dayToDay);
  addTaskCommands(program, context);
  addTaskLogsCommand(program, context);
  addExecCommand(program, context);
  addServiceCommands(program, context);
  addTaskDefinitionCommands(program, context);
  addInstanceCommands(program, context);
  addClusterCommands(program, context);
  addCapacityProviderCommands(program, context);
  addTrustCommands(program, context);
  addWhyCommand(program, context);
  addEnvCommand(program, context);
  addBackupCommand(program, context);
  addUpgradeCommand(program, context);
  addDoctorCommand(program, context);
  program.commandsGroup(daemons);
  addDevCommands(program, context);
  // The daemons are started before this tree is loaded (src/main.ts); here they are only explained.
  program
    .command('control')
    .description('run the control service in the foreground; settings are environment variables')
    .option('--database <url>', 'as BERTH_STORE; a password belongs there, not in an argument');
  program
    .command('agent')
    .description('run the agent of this machine in the foreground; settings are environment variables');
  program
    .command('restore')
    .description('put a backup in the place of what the control service of this machine had; it must be down')
    .argument('<file>', 'what `berth backup` saved');
  addCompletionCommands(program, context);
  addLicensesCommand(program, context);
  inheritGlobalOptions(program);
  return program;
}

/** Lets `--output` and `--cluster` stand behind the sub-command too, where people type them. */
function inheritGlobalOptions(program: Command): void {
  for (const command of leaves(program)) {
    command
      .addOption(new Option('--output <mode>').choices(['table', 'json']).hideHelp())
      .addOption(new Option('--cluster <name>').hideHelp());
    command.hook('preAction', (_, action) => {
      for (const name of ['output', 'cluster']) {
        const value: unknown = action.opts()[name];
        if (value !== undefined) program.setOptionValue(name, value);
      }
    });
  }
}

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}
