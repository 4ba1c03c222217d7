/** The cluster query language: grammar, precedence, meaning, and errors that say where. */
import { describe, expect, it } from 'vitest';
import { evaluateQuery, type QueriedInstance } from '#control/scheduler/query-evaluator.ts';
import { parseQuery } from '#control/scheduler/query-parser.ts';

const machine: QueriedInstance = {
  agentConnected: true,
  agentVersion: '1.10.2',
  ec2InstanceId: 'i-abcd1234',
  registeredAt: Date.UTC(2026, 1, 28, 12),
  runningTasksCount: 2,
  attributes: [
    { name: 'ecs.os-type', value: 'linux' },
    { name: 'ecs.instance-type', value: 't2.small' },
    { name: 'ecs.availability-zone', value: 'rack-b' },
    { name: 'cores', value: '12' },
    { name: 'ssd' },
  ],
  taskGroups: ['service:web', 'family:batch'],
};

function holds(expression: string): boolean {
  const parsed = parseQuery(expression);
  if (!parsed.ok) throw new Error(`${parsed.message} at ${parsed.position}`);
  return evaluateQuery(parsed.query, machine);
}

describe('a query', () => {
  it.each([
    'attribute:ecs.os-type == linux',
    'attribute:ecs.os-type equals linux',
    'attribute:ecs.os-type != windows',
    'attribute:missing != windows',
    'attribute:cores > 9',
    'attribute:cores >= 12',
    'attribute:cores less_than 13',
    'attribute:ssd exists',
    'attribute:missing !exists',
    'attribute:missing not_exists',
    'attribute:ecs.availability-zone in [rack-a, rack-b]',
    'attribute:ecs.availability-zone !in [\'rack-c\', "rack-d"]',
    'attribute:ecs.availability-zone not_in [rack-c]',
    'attribute:ecs.instance-type =~ t2.*',
    'attribute:ecs.instance-type =~ (t2|t3)\\..+',
    '(attribute:ecs.instance-type =~ (t2|t3)\\..+)',
    'attribute:ecs.instance-type !~ small',
    'attribute:ecs.os-type =~ "(?i)LINUX"',
    'agentConnected == true',
    'agentVersion > 1.9.3',
    'agentVersion == 1.10.2',
    'agentVersion < 1.11',
    'ec2InstanceId in [i-abcd1234, i-wxyx7890]',
    'registeredAt > 2026-02-28',
    'registeredAt <= 2026-02-28T12:00',
    'registeredAt == 2026-02-28T12:00:00Z',
    'registeredAt == 2026-02-28T14:00:00+02:00',
    'runningTasksCount <= 2',
    'task:group == service:web',
    'task:group != service:db',
    'not task:group == service:db',
    'not(task:group == service:db)',
    '!(task:group == service:db)',
    'attribute:ecs.os-type==linux&&runningTasksCount<3',
    'ATTRIBUTE:x !exists || agentConnected == true'.replace('ATTRIBUTE', 'attribute'),
  ])('%s holds', (expression) => expect(holds(expression)).toBe(true));

  it.each([
    'attribute:missing == linux',
    'attribute:missing > 3',
    'attribute:ecs.instance-type =~ t2',
    'attribute:ecs.availability-zone in [rack-a]',
    'attribute:ssd !exists',
    'task:group == service:db',
    'registeredAt > yesterday',
    'runningTasksCount greater_than 2',
  ])('%s does not hold', (expression) => expect(holds(expression)).toBe(false));

  it('binds not before and, and before or', () => {
    const [yes, no] = ['agentConnected == true', 'agentConnected == false'];
    expect(holds(`${yes} or ${no} and ${no}`)).toBe(true);
    expect(holds(`(${yes} or ${no}) and ${no}`)).toBe(false);
    expect(holds(`not ${no} and ${yes}`)).toBe(true);
    expect(holds(`not ${yes} or ${yes}`)).toBe(true);
    expect(holds(`not ${yes} and ${no}`)).toBe(false);
  });

  it.each([
    ['', 0, 'expected a condition'],
    ['attribute: == x', 10, "expected the attribute's name"],
    ['color == red', 0, "unknown subject 'color'"],
    ['agentConnected', 14, 'expected an operator'],
    ['agentConnected =', 15, 'expected an operator'],
    ['agentConnected ==', 17, 'expected a value'],
    ['(agentConnected == true', 23, "expected ')'"],
    ['agentConnected == true)', 22, "expected 'and', 'or' or the end"],
    ['attribute:a in b', 15, "expected '['"],
    ['attribute:a in [b', 17, "expected ',' or ']'"],
    ["attribute:a == 'b", 15, 'the quote is not closed'],
    ['runningTasksCount > many', 20, "runningTasksCount is compared with a number, got 'many'"],
    ['attribute:a =~ (a+)+', 15, 'the pattern repeats a group that itself repeats or has alternatives'],
    ['attribute:a =~ .*.*.*.*.*', 15, 'the pattern has more than 4 unbounded repetitions'],
    ['x'.repeat(2001), 2000, 'an expression has at most 2000 characters'],
  ])('refuses %j at %i: %s', (expression, position, message) => {
    expect(parseQuery(expression)).toEqual({ ok: false, position, message });
  });

  it.each([
    ["attribute:ecs.os-type == 'linux'", true],
    ['attribute:ecs.os-type == "linux"', true],
    ['attribute:rack == \'row 4, shelf "b"\'', true],
    ['attribute:rack == "row 4, shelf \'b\'"', false],
    ["attribute:rack in ['row 1', 'row 4, shelf \"b\"']", true],
    ['attribute:ecs.os-type in [linux]', true],
    ['attribute:ecs.os-type in [ windows , linux ]', true],
  ])('takes quoted strings and lists: %s is %s', (expression, expected) => {
    const parsed = parseQuery(expression);
    const rack = { name: 'rack', value: 'row 4, shelf "b"' };
    expect(parsed.ok && evaluateQuery(parsed.query, { ...machine, attributes: [...machine.attributes, rack] })).toBe(
      expected,
    );
  });

  it.each([
    ['1.10.2', '1.9.3', 1],
    ['1.10.2', '1.10.10', -1],
    ['1.10.2', 'v1.10.2', 0],
    ['1.10', '1.10.0', 0],
    ['2.0.0-beta', '1.99.99', 1],
  ])('compares the version %s with %s by its numbers', (agentVersion, other, order) => {
    const is = (operator: string): boolean => {
      const parsed = parseQuery(`agentVersion ${operator} ${other}`);
      return parsed.ok && evaluateQuery(parsed.query, { ...machine, agentVersion });
    };
    expect([is('>'), is('=='), is('<')]).toEqual([order > 0, order === 0, order < 0]);
    expect([is('>='), is('!='), is('<=')]).toEqual([order >= 0, order !== 0, order <= 0]);
  });

  it('reads words as operators only where they stand alone', () => {
    expect(holds('attribute:ecs.os-type == linux and not attribute:android exists')).toBe(true);
    expect(holds('attribute:order !exists or attribute:nothing exists')).toBe(true);
    expect(holds('NOT agentConnected == false AND runningTasksCount IN [2]')).toBe(true);
  });

  it('refuses what is nested too deeply instead of overflowing', () => {
    expect(parseQuery('('.repeat(1500))).toMatchObject({ ok: false, message: 'the expression is nested too deeply' });
  });
});
