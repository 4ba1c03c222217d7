/** `berth taskdef register | list | show`. */
import { readFile } from 'node:fs/promises';
import {
  DescribeTaskDefinitionCommand,
  paginateListTaskDefinitions,
  RegisterTaskDefinitionCommand,
  type RegisterTaskDefinitionCommandInput,
  type TaskDefinition,
} from '@aws-sdk/client-ecs';
import type { Command } from 'commander';
import { z } from 'zod';
import { printList, printOne, type CliContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { definitionName } from '../format.ts';
import { renderFields, renderTable } from '../output/table.ts';

export function addTaskDefinitionCommands(program: Command, context: CliContext): void {
  const taskdef = program.command('taskdef').description('the blueprints of tasks');
  taskdef
    .command('register')
    .description(
      'register a task definition from a JSON file, as for `aws ecs register-task-definition --cli-input-json`',
    )
    .argument('<file>', 'path, or - for standard input')
    .action((file: string) => registerTaskDefinition(context, file));
  taskdef
    .command('list')
    .description('list revisions')
    .option('--family <name>', 'only this family')
    .option('--inactive', 'deregistered revisions instead of active ones')
    .action((options: { family?: string; inactive?: boolean }) => listTaskDefinitions(context, options));
  taskdef
    .command('show')
    .description('show one revision')
    .argument('<name>', 'family, family:revision or ARN')
    .action((name: string) => showTaskDefinition(context, name));
}

const RegisterFile = z.looseObject({ family: z.string(), containerDefinitions: z.array(z.looseObject({})) });

/** Reads a file a person wrote. The control service checks the definition; here only what makes it one at all. */
export async function readTaskDefinition(file: string): Promise<RegisterTaskDefinitionCommandInput> {
  let text: string;
  try {
    text = await readFile(file === '-' ? '/dev/stdin' : file, 'utf8');
  } catch (error) {
    throw new CliError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  try {
    return RegisterFile.parse(JSON.parse(text));
  } catch (error) {
    const detail = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new CliError(`${file} is not a task definition: ${detail}`, {
      cause: error,
      next: 'it needs at least "family" and "containerDefinitions"',
    });
  }
}

async function registerTaskDefinition(context: CliContext, file: string): Promise<void> {
  const { taskDefinition } = await context
    .ecs()
    .send(new RegisterTaskDefinitionCommand(await readTaskDefinition(file)));
  printOne(context, taskDefinition, () => definitionName(taskDefinition?.taskDefinitionArn) ?? '');
}

async function listTaskDefinitions(
  context: CliContext,
  options: { family?: string; inactive?: boolean },
): Promise<void> {
  const rows: string[] = [];
  const filter = {
    status: options.inactive === true ? 'INACTIVE' : 'ACTIVE',
    ...(options.family === undefined ? {} : { familyPrefix: options.family }),
  } as const;
  for await (const page of paginateListTaskDefinitions({ client: context.ecs() }, filter))
    rows.push(...(page.taskDefinitionArns ?? []));
  printList(context, {
    rows,
    empty: 'no task definitions',
    columns: [
      { title: 'TASK DEFINITION', value: definitionName },
      { title: 'ARN', value: (arn) => arn },
    ],
  });
}

async function showTaskDefinition(context: CliContext, name: string): Promise<void> {
  const { taskDefinition } = await context.ecs().send(new DescribeTaskDefinitionCommand({ taskDefinition: name }));
  if (taskDefinition === undefined)
    throw new CliError(`no task definition ${name}`, { next: 'see `berth taskdef list`' });
  printOne(context, taskDefinition, () => describeDefinition(taskDefinition));
}

function describeDefinition(definition: TaskDefinition): string {
  const head = renderFields([
    ['name', definitionName(definition.taskDefinitionArn)],
    ['status', definition.status],
    ['network mode', definition.networkMode],
    ['cpu', definition.cpu],
    ['memory', definition.memory],
    ['runs on', definition.compatibilities?.join(', ')],
    ['requires', definition.requiresAttributes?.map((attribute) => attribute.name).join(', ')],
  ]);
  const containers = renderTable(
    [
      { title: 'CONTAINER', value: (container) => container.name },
      { title: 'IMAGE', value: (container) => container.image },
      { title: 'CPU', value: (container) => container.cpu },
      { title: 'MEMORY', value: (container) => container.memory ?? container.memoryReservation },
      { title: 'ESSENTIAL', value: (container) => (container.essential === false ? 'no' : 'yes') },
      {
        title: 'PORTS',
        value: (container) =>
          container.portMappings
            ?.map((port) => `${port.hostPort ?? 0}->${port.containerPort}/${port.protocol ?? 'tcp'}`)
            .join(', '),
      },
    ],
    definition.containerDefinitions ?? [],
  );
  return `${head}\n\n${containers}`;
}
