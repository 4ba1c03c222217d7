/**
 * Policies that ECS has no field for, set by tags whose keys begin with `berth:`. Values are parsed here alone: the API refuses wrong ones with the
 * error made here, and whoever acts on a tag that got past it (one an agent registered with) takes its default.
 */
import type { Tag } from './tag.ts';

export const policyTags = {
  /** Of a service: how long its container instances may be silent before its tasks there are replaced. */
  lostAfter: 'berth:lost-after',
  /** Of a service: which of a pair stays when the container instance of a replaced task is back. */
  onReturn: 'berth:on-return',
  /** Of a service: whether its tasks are moved until they are spread over the instances that there are. */
  rebalance: 'berth:rebalance',
  /** Of a service: how long a rollout may take before it has failed. */
  deploymentDeadline: 'berth:deployment-deadline',
  /** Of a container instance: how long its draining may take before what is left is stopped. */
  drainDeadline: 'berth:drain-deadline',
  /** Of a container instance: what its draining does to tasks of no service. */
  drainStandalone: 'berth:drain-standalone',
} as const;

export type Never = 'never';
/** `newest`: the replacement stays. `original`: the task that is back stays, as far as it is healthy. */
export type OnReturn = 'newest' | 'original';

type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly expected: string };

const second = 1000;
const longestMs = 365 * 24 * 3600 * second;

/** Milliseconds of `90`, `90s`, `1m30s`, `2h`; undefined when the text is none, or no time at all, or longer than a year. */
export function parseDuration(text: string): number | undefined {
  const [whole, days, hours, minutes, seconds, bare] =
    /^(?:(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?|(\d{1,9}))$/.exec(text) ?? [];
  if (whole === undefined || whole === '') return undefined;
  const total =
    Number(days ?? 0) * 86_400 +
    Number(hours ?? 0) * 3600 +
    Number(minutes ?? 0) * 60 +
    Number(seconds ?? 0) +
    Number(bare ?? 0);
  const ms = total * second;
  return ms > 0 && ms <= longestMs ? ms : undefined;
}

function aTime(examples: string): string {
  return `a time from one second to a year, such as ${examples}`;
}

function parseTimeOrNever(text: string, examples: string): Parsed<number | Never> {
  if (text === 'never') return { ok: true, value: 'never' };
  const ms = parseDuration(text);
  return ms === undefined ? { ok: false, expected: `${aTime(examples)}, or never` } : { ok: true, value: ms };
}

export function parseLostAfter(text: string): Parsed<number | Never> {
  return parseTimeOrNever(text, '90, 90s or 5m');
}

export function parseDeploymentDeadline(text: string): Parsed<number | Never> {
  return parseTimeOrNever(text, '30m or 2h');
}

export function parseOnReturn(text: string): Parsed<OnReturn> {
  return text === 'newest' || text === 'original'
    ? { ok: true, value: text }
    : { ok: false, expected: 'newest or original' };
}

export function parseRebalance(text: string): Parsed<'ENABLED' | 'DISABLED'> {
  return text === 'ENABLED' || text === 'DISABLED'
    ? { ok: true, value: text }
    : { ok: false, expected: 'ENABLED or DISABLED' };
}

export function parseDrainDeadline(text: string): Parsed<number> {
  const ms = parseDuration(text);
  return ms === undefined ? { ok: false, expected: aTime('90, 90s or 1h') } : { ok: true, value: ms };
}

export function parseDrainStandalone(text: string): Parsed<'wait' | 'stop'> {
  return text === 'wait' || text === 'stop' ? { ok: true, value: text } : { ok: false, expected: 'wait or stop' };
}

/** What kind of resource a policy belongs to. */
export type PolicyHolder = 'service' | 'container-instance';

const parsers: Readonly<Record<PolicyHolder, Readonly<Record<string, (text: string) => Parsed<unknown>>>>> = {
  service: {
    [policyTags.lostAfter]: parseLostAfter,
    [policyTags.onReturn]: parseOnReturn,
    [policyTags.rebalance]: parseRebalance,
    [policyTags.deploymentDeadline]: parseDeploymentDeadline,
  },
  'container-instance': {
    [policyTags.drainDeadline]: parseDrainDeadline,
    [policyTags.drainStandalone]: parseDrainStandalone,
  },
};

/** What is wrong with the first tag whose value its policy cannot take; undefined when all are well. */
export function problemOfTags(kind: PolicyHolder, tags: readonly Tag[]): string | undefined {
  for (const { key, value = '' } of tags) {
    const parsed = parsers[kind][key]?.(value);
    if (parsed?.ok === false) return `The tag ${key} of a ${kind}: expected ${parsed.expected}, got '${value}'.`;
  }
  return undefined;
}

/** The value of the policy; the default where the tag is absent or says nothing that can be understood. */
export function policyOf<T>(tags: readonly Tag[], key: string, parse: (text: string) => Parsed<T>, initial: T): T {
  const tag = tags.find((each) => each.key === key);
  const parsed = tag === undefined ? undefined : parse(tag.value ?? '');
  return parsed?.ok === true ? parsed.value : initial;
}
