/** `berth why`: why a service, a task or a container instance is as it is, as the control service itself decides about it. */
import { stripVTControlCharacters } from 'node:util';
import type { Command } from 'commander';
import { z } from 'zod';
import { whyAnswer, type WhyAnswer, type WhyFinding, type WhyPlacement } from '#protocol/why.ts';
import { printOne, type CliContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { shortId } from '../format.ts';
import { age, renderTable } from '../output/table.ts';
import { signedGet } from '../signed-fetch.ts';

export function addWhyCommand(program: Command, context: CliContext): void {
  program
    .command('why')
    .description('say why a service, a task or a container instance is as it is')
    .argument('<name>', 'a service, the id of a task or an instance or its beginning, a hostname, or an ARN')
    .action((name: string) => printWhy(context, name));
}

const Refusal = z.object({ message: z.string() });

async function printWhy(context: CliContext, name: string): Promise<void> {
  const answer = await askWhy(context, name);
  printOne(context, answer, () => describeWhy(answer, context.clock.now()));
}

async function askWhy(context: CliContext, subject: string): Promise<WhyAnswer> {
  const query = { subject, cluster: context.cluster };
  const response = await signedGet(context.endpoint(), '/berth/v1/why', query, context.signal);
  const body: unknown = await response.json();
  if (!response.ok) {
    const refusal = Refusal.safeParse(body);
    throw new CliError(
      refusal.success ? refusal.data.message : `the control service answered HTTP ${response.status}`,
      {
        next: 'see `berth service list`, `berth task list` and `berth instance list`',
      },
    );
  }
  const parsed = whyAnswer.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new CliError('the control service gave an answer of a form that this program does not know', {
    next: 'are both of one version? see `berth --version`',
    cause: parsed.error,
  });
}

/** The answer for people: the summary first, then what it rests on. */
export function describeWhy(answer: WhyAnswer, now: number): string {
  const { kind, name, status, summary, findings, placement = [], events = [], output = [] } = answer;
  const sections = [
    `${kind} ${name}: ${status}\n${summary}`,
    renderTable(
      [
        { title: 'ABOUT', value: (row) => row.topic },
        { title: 'WHAT', value: (row) => row.text },
        { title: 'WHEN', value: (row) => whenOf(row, now) },
      ],
      findings,
    ),
    ...placement.map(describePlacement),
    ...output.map(({ name: container, lines }) =>
      [`last output of ${container}:`, ...lines.map((line) => `  ${stripVTControlCharacters(line)}`)].join('\n'),
    ),
    events.map(({ at, message }) => `${(age(at, now) ?? '').padStart(8)} ago  ${message}`).join('\n'),
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

function describePlacement({ deploymentId, instances, fitting, refusals, nearest }: WhyPlacement): string {
  const whose = deploymentId === undefined ? 'the task' : deploymentId;
  const asked = `placement of ${whose}: ${fitting} of ${instances} container instances would take a task`;
  if (instances === 0) return asked;
  const refused = renderTable(
    [
      { title: 'REFUSED', value: (row) => row.count },
      { title: 'REASON', value: (row) => row.reason },
      { title: 'WHY', value: (row) => row.text },
    ],
    refusals,
  );
  const closest = renderTable(
    [
      { title: 'NEAREST', value: (row) => shortId(row.containerInstanceArn)?.slice(0, 12) },
      { title: 'HOST', value: (row) => row.hostname },
      { title: 'WHAT IS MISSING', value: (row) => row.missing.map(({ text }) => text).join('; ') },
    ],
    nearest,
  );
  return [asked, refused, ...(nearest.length === 0 ? [] : [closest])].join('\n\n');
}

function whenOf({ at, until }: WhyFinding, now: number): string | undefined {
  if (until !== undefined && until > now) return `${age(now, until)} from now`;
  return at === undefined ? undefined : `${age(at, now)} ago`;
}
