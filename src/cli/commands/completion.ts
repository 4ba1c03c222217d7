/**
 * `berth completion <shell>`: a script for the shell that asks `berth complete-words` for candidates. Candidates come from the command tree itself, so
 * that they never lag behind it.
 */
import { Argument, type Command } from 'commander';
import type { CliContext } from '../context.ts';

const scripts = {
  bash: `_berth() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(berth complete-words -- "\${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _berth berth`,
  zsh: `#compdef berth
_berth() {
  compadd -- \${(f)"$(berth complete-words -- \${words[2,CURRENT-1]} 2>/dev/null)"}
}
compdef _berth berth`,
  fish: `complete -c berth -f -a '(berth complete-words -- (commandline -opc)[2..-1] 2>/dev/null)'`,
} as const;

export function addCompletionCommands(program: Command, context: CliContext): void {
  program
    .command('completion')
    .description('print a completion script; e.g. `source <(berth completion bash)`')
    .addArgument(new Argument('<shell>').choices(Object.keys(scripts)))
    .action((shell: keyof typeof scripts) => context.terminal.write(scripts[shell]));
  program
    .command('complete-words', { hidden: true })
    .argument('[words...]')
    .action((words: string[]) => context.terminal.write(candidates(program, words).join('\n')));
}

/** What may follow the words: sub-commands where there are any, and the options of the command reached. */
export function candidates(program: Command, words: readonly string[]): string[] {
  let command = program;
  for (const word of words) {
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (next !== undefined) command = next;
  }
  const names = command
    .createHelp()
    .visibleCommands(command)
    .map((candidate) => candidate.name());
  const flags = [...command.createHelp().visibleOptions(command), ...program.options].flatMap(
    (option) => option.long ?? [],
  );
  return [...new Set([...names, ...flags])];
}
