/** Parsers of option values, with errors that say what would be right. */
import type { CapacityProviderStrategyItem } from '@aws-sdk/client-ecs';
import { InvalidArgumentError, type Command } from 'commander';
import { parseWait } from '#model/placement-wait.ts';

export function parsePositive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('expected a whole number from 1 up.');
  return value;
}

export function parseCount(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('expected a whole number from 0 up.');
  return value;
}

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90s`, `15m`, `2h`, `1d` in milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+)([smhd])$/u.exec(text);
  const unit = units[match?.[2] ?? ''];
  if (match === null || unit === undefined)
    throw new InvalidArgumentError('expected a duration such as 90s, 15m, 2h or 1d.');
  return Number(match[1]) * unit;
}

/** A duration as it is, when the control service will take it. */
export function checkWait(text: string): string {
  if (parseWait(text) === undefined)
    throw new InvalidArgumentError('expected a duration up to 7d, such as 90s, 10m or 2h.');
  return text;
}

/** One more `name` or, as the `aws` command has it, `capacityProvider=name,weight=1,base=2`. */
export function collectStrategyItem(
  text: string,
  before: readonly CapacityProviderStrategyItem[] = [],
): CapacityProviderStrategyItem[] {
  const fields = text.includes('=') ? text : `capacityProvider=${text}`;
  const given = new Map(fields.split(',').map((field) => splitAtEquals(field)));
  const capacityProvider = given.get('capacityProvider');
  const known = ['capacityProvider', 'weight', 'base'];
  if (capacityProvider === undefined || ![...given.keys()].every((key) => known.includes(key))) {
    throw new InvalidArgumentError('expected a name, or capacityProvider=NAME,weight=N,base=N.');
  }
  const [weight, base] = [given.get('weight'), given.get('base')];
  const item = {
    capacityProvider,
    ...(weight !== undefined && { weight: parseCount(weight) }),
    ...(base !== undefined && { base: parseCount(base) }),
  };
  return [...before, item];
}

function splitAtEquals(field: string): [string, string] {
  const at = field.indexOf('=');
  return at === -1 ? [field.trim(), ''] : [field.slice(0, at).trim(), field.slice(at + 1).trim()];
}

export interface WaitOptions {
  wait?: boolean;
  /** Seconds. */
  timeout: number;
}

export function withWait(command: Command): Command {
  return command
    .option('--wait', 'wait until it is done, with live progress')
    .option('--timeout <seconds>', 'how long to wait', parsePositive, 600);
}
