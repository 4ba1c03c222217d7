/** What a query of the cluster query language means for one instance. An attribute or fact that is absent satisfies no positive condition. */
import { attributeValue, type Attribute } from '#model/attributes.ts';
import type { ComparisonOperator, Query, QuerySubject } from './query-language.ts';

/** An instance as queries see it. */
export interface QueriedInstance {
  agentConnected: boolean;
  agentVersion: string;
  ec2InstanceId: string;
  /** Epoch milliseconds. */
  registeredAt: number;
  runningTasksCount: number;
  attributes: readonly Attribute[];
  /** Groups of its live tasks. */
  taskGroups: readonly string[];
}

export function evaluateQuery(query: Query, instance: QueriedInstance): boolean {
  switch (query.kind) {
    case 'or':
      return evaluateQuery(query.left, instance) || evaluateQuery(query.right, instance);
    case 'and':
      return evaluateQuery(query.left, instance) && evaluateQuery(query.right, instance);
    case 'not':
      return !evaluateQuery(query.operand, instance);
    case 'presence':
      return isPresent(query.subject, instance) === query.present;
    case 'comparison':
      return compareSubject(query.subject, query.operator, query.value, instance);
    case 'membership':
      return valuesOf(query.subject, instance).some((value) => query.values.includes(value)) === query.member;
    case 'pattern':
      return valuesOf(query.subject, instance).some((value) => query.pattern.test(value)) === query.matches;
  }
}

/** An attribute without a value is present all the same. */
function isPresent(subject: QuerySubject, instance: QueriedInstance): boolean {
  if (subject.kind === 'attribute') return instance.attributes.some(({ name }) => name === subject.attribute);
  return valuesOf(subject, instance).length > 0;
}

function compareSubject(
  subject: QuerySubject,
  operator: ComparisonOperator,
  wanted: string,
  instance: QueriedInstance,
): boolean {
  const values = valuesOf(subject, instance);
  if (operator === 'not_equals') return !values.some((value) => compareValues(subject, value, wanted) === 0);
  return values.some((value) => holds(operator, compareValues(subject, value, wanted)));
}

function holds(operator: Exclude<ComparisonOperator, 'not_equals'>, order: number): boolean {
  switch (operator) {
    case 'equals':
      return order === 0;
    case 'greater_than':
      return order > 0;
    case 'greater_than_equal':
      return order >= 0;
    case 'less_than':
      return order < 0;
    case 'less_than_equal':
      return order <= 0;
  }
}

/** Negative, 0, positive, or NaN (which satisfies nothing) when the two cannot be compared. */
function compareValues(subject: QuerySubject, value: string, wanted: string): number {
  if (subject.kind === 'fact') {
    switch (subject.fact) {
      case 'agentVersion':
        return compareVersions(value, wanted);
      case 'registeredAt':
        return Number(value) - instantOf(wanted);
      case 'runningTasksCount':
        return Number(value) - Number(wanted);
      case 'agentConnected':
        return value === wanted.toLowerCase() ? 0 : Number.NaN;
      case 'ec2InstanceId':
      case 'task:group':
        break;
    }
  }
  const bothNumbers = /^-?\d+(\.\d+)?$/.test(value) && /^-?\d+(\.\d+)?$/.test(wanted);
  if (bothNumbers) return Number(value) - Number(wanted);
  if (value === wanted) return 0;
  return value < wanted ? -1 : 1;
}

/** `1.9.0` before `1.10.0`; missing parts are 0, a leading `v` and a suffix such as `-beta` do not count. */
function compareVersions(left: string, right: string): number {
  const [a, b] = [versionParts(left), versionParts(right)];
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function versionParts(version: string): number[] {
  const numbers = /^v?(\d+(?:\.\d+)*)/.exec(version)?.[1];
  return numbers === undefined ? [Number.NaN] : numbers.split('.').map(Number);
}

const isoInstant = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d))?(Z|[+-]\d\d:?\d\d)?)?$/;

/**
 * Epoch milliseconds of `2018-06-18`, `2018-06-18T15:20`, `…:30` or `…:30Z` (or an offset), as UTC unless it says otherwise; NaN for
 * anything else. Days since the epoch are counted by hand because decisions take no time library.
 */
function instantOf(text: string): number {
  const match = isoInstant.exec(text);
  if (match === null) return Number.NaN;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0));
  const time = hour * 3600 + minute * 60 + second - offsetSeconds(match[7]);
  return (daysSinceEpoch(year, month, day) * 86_400 + time) * 1000;
}

function offsetSeconds(zone: string | undefined): number {
  if (zone === undefined || zone === 'Z') return 0;
  const sign = zone.startsWith('-') ? -1 : 1;
  const digits = zone.slice(1).replace(':', '');
  return sign * (Number(digits.slice(0, 2)) * 3600 + Number(digits.slice(2)) * 60);
}

/** Of the proleptic Gregorian calendar, with years that begin in March so that the leap day comes last. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return marchYear * 365 + leapDays + dayOfYear - 719_468;
}

function valuesOf(subject: QuerySubject, instance: QueriedInstance): readonly string[] {
  if (subject.kind === 'attribute') {
    const value = attributeValue(instance.attributes, subject.attribute);
    return value === undefined ? [] : [value];
  }
  switch (subject.fact) {
    case 'agentConnected':
      return [String(instance.agentConnected)];
    case 'agentVersion':
      return [instance.agentVersion];
    case 'ec2InstanceId':
      return [instance.ec2InstanceId];
    case 'registeredAt':
      return [String(instance.registeredAt)];
    case 'runningTasksCount':
      return [String(instance.runningTasksCount)];
    case 'task:group':
      return instance.taskGroups;
  }
}
