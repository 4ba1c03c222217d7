/** Good requests come through whole; bad ones are told in one sentence what is wrong, and where. */
import { describe, expect, it } from 'vitest';
import type { OperationName } from '#protocol/ecs/operations.ts';
import { parseInput, withoutNulls } from '#protocol/ecs/parse.ts';
import webApi from '#test/support/fixtures/web-api.json' with { type: 'json' };

function refusal(operation: OperationName, json: unknown): string {
  const parsed = parseInput(operation, json);
  return parsed.ok ? 'accepted' : `${parsed.error.code}: ${parsed.error.message}`;
}

function registering(container: object): unknown {
  return { family: 'web', containerDefinitions: [{ name: 'main', image: 'web', memory: 64, ...container }] };
}

/** As deep as `levels`. */
function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
}

describe('parsing a request', () => {
  it('gives back the definition of web-api as it was sent', () => {
    expect(parseInput('RegisterTaskDefinition', webApi)).toEqual({ ok: true, input: webApi });
  });

  it('accepts a request without members where none is required', () => {
    expect(parseInput('ListClusters', {})).toEqual({ ok: true, input: {} });
    expect(parseInput('CreateCluster', {})).toEqual({ ok: true, input: {} });
  });

  it('reads null members as absent ones, at any depth', () => {
    const sent = {
      cluster: null,
      taskDefinition: 'web',
      overrides: { containerOverrides: [{ name: 'main', cpu: null }] },
    };
    expect(parseInput('RunTask', sent)).toEqual({
      ok: true,
      input: { taskDefinition: 'web', overrides: { containerOverrides: [{ name: 'main' }] } },
    });
  });

  const types: readonly [string, OperationName, unknown, string][] = [
    ['a list for a request', 'RunTask', [], 'request: Start of list found where not expected'],
    ['text for a request', 'RunTask', 'x', 'request: STRING_VALUE can not be converted to a Structure'],
    ['nothing for a request', 'RunTask', null, 'request: NULL_VALUE can not be converted to a Structure'],
    [
      'text for a number',
      'RegisterTaskDefinition',
      registering({ memory: '64' }),
      'containerDefinitions[0].memory: STRING_VALUE can not be converted to an Integer',
    ],
    [
      'a number for text',
      'RegisterTaskDefinition',
      registering({ image: 5 }),
      'containerDefinitions[0].image: NUMBER_VALUE can not be converted to a String',
    ],
    [
      'a number for a word of a list of words',
      'RegisterTaskDefinition',
      { ...webApi, networkMode: 3 },
      'networkMode: NUMBER_VALUE can not be converted to a String',
    ],
    [
      'text for true or false',
      'RegisterTaskDefinition',
      registering({ essential: 'yes' }),
      'containerDefinitions[0].essential: STRING_VALUE can not be converted to a Boolean',
    ],
    [
      'text for a list',
      'RegisterTaskDefinition',
      registering({ command: 'sleep 5' }),
      'containerDefinitions[0].command: STRING_VALUE can not be converted to a List',
    ],
    [
      'a structure for a list',
      'RegisterTaskDefinition',
      registering({ environment: { PORT: '80' } }),
      'containerDefinitions[0].environment: Start of structure or map found where not expected',
    ],
    [
      'a list for a map',
      'RegisterTaskDefinition',
      registering({ dockerLabels: [] }),
      'containerDefinitions[0].dockerLabels: Start of list found where not expected',
    ],
    [
      'a number as the value of a map',
      'RegisterTaskDefinition',
      registering({ dockerLabels: { rank: 1 } }),
      'containerDefinitions[0].dockerLabels.rank: NUMBER_VALUE can not be converted to a String',
    ],
    [
      'nothing as an item of a list',
      'RegisterTaskDefinition',
      registering({ command: ['sleep', null] }),
      'containerDefinitions[0].command[1]: NULL_VALUE can not be converted to a String',
    ],
    ['endless nesting', 'RunTask', nested(100_000), 'The request is nested deeper than 64 levels'],
  ];
  it.each(types)('refuses %s as AWS does', (_what, operation, json, message) => {
    expect(refusal(operation, json)).toBe(`SerializationException: ${message}`);
  });

  const values: readonly [string, OperationName, unknown, string][] = [
    [
      'a missing family',
      'RegisterTaskDefinition',
      { containerDefinitions: webApi.containerDefinitions },
      'family: is required',
    ],
    [
      'a container without an image',
      'RegisterTaskDefinition',
      { family: 'web', containerDefinitions: [{ name: 'main' }] },
      'containerDefinitions[0].image: is required',
    ],
    [
      'no containers',
      'RegisterTaskDefinition',
      { family: 'web', containerDefinitions: [] },
      'containerDefinitions: expected at least one item, got 0 items',
    ],
    [
      'a host port that is none',
      'RegisterTaskDefinition',
      registering({ portMappings: [{ containerPort: 80 }, { containerPort: 81, hostPort: 70_000 }] }),
      'containerDefinitions[0].portMappings[1].hostPort: expected a whole number from 0 to 65535, got 70000',
    ],
    [
      'half a port',
      'RegisterTaskDefinition',
      registering({ portMappings: [{ containerPort: 80.5 }] }),
      'containerDefinitions[0].portMappings[0].containerPort: expected a whole number from 0 to 65535, got 80.5',
    ],
    [
      'a protocol that ECS does not map',
      'RegisterTaskDefinition',
      registering({ portMappings: [{ containerPort: 80, protocol: 'icmp' }] }),
      'containerDefinitions[0].portMappings[0].protocol: expected one of tcp, udp, got "icmp"',
    ],
    [
      'a misspelt field',
      'RegisterTaskDefinition',
      registering({ portMapping: [] }),
      'containerDefinitions[0].portMapping: unknown field',
    ],
    [
      'a family with a blank',
      'RegisterTaskDefinition',
      { ...webApi, family: 'web api' },
      'family: expected 1 to 255 letters, digits, hyphens and underscores, got "web api"',
    ],
    [
      'a family that is too long, without repeating it all',
      'RegisterTaskDefinition',
      { ...webApi, family: 'a'.repeat(256) },
      `family: expected 1 to 255 letters, digits, hyphens and underscores, got "${'a'.repeat(60)}…"`,
    ],
    [
      'an environment variable without a name',
      'RegisterTaskDefinition',
      registering({ environment: [{ name: '', value: 'x' }] }),
      'containerDefinitions[0].environment[0].name: expected at least one character, got ""',
    ],
    [
      'too many tasks',
      'RunTask',
      { taskDefinition: 'web', count: 11 },
      'count: expected a whole number from 1 to 10, got 11',
    ],
    [
      'a mark that is too long',
      'RunTask',
      { taskDefinition: 'web', startedBy: 'x'.repeat(129) },
      `startedBy: expected at most 128 characters, got "${'x'.repeat(60)}…"`,
    ],
    [
      'overrides that are too long',
      'RunTask',
      { taskDefinition: 'web', overrides: { containerOverrides: [{ name: 'main', command: ['x'.repeat(9000)] }] } },
      'overrides: expected at most 8192 characters of JSON',
    ],
    [
      'a client token that is too long',
      'CreateService',
      { serviceName: 'web', clientToken: 'x'.repeat(37) },
      'clientToken: expected 1 to 36 printable ASCII characters, got "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"',
    ],
    [
      'one tag twice',
      'TagResource',
      { resourceArn: 'arn:aws:ecs:us-east-1:000000000000:cluster/a', tags: [{ key: 'a' }, { key: 'a' }] },
      'tags: expected each key once, got 2 items',
    ],
    [
      'a tag that AWS keeps for itself',
      'CreateCluster',
      { tags: [{ key: 'aws:x' }] },
      'tags[0].key: expected a key that does not begin with aws:, got "aws:x"',
    ],
    ['an empty page', 'ListTasks', { maxResults: 0 }, 'maxResults: expected a whole number from 1 to 100, got 0'],
    [
      'too many services at once',
      'DescribeServices',
      { services: Array.from({ length: 11 }, (_, index) => `s${index}`) },
      'services: expected at most 10 items, got 11 items',
    ],
    ['no tasks to describe', 'DescribeTasks', { tasks: [] }, 'tasks: expected at least one item, got 0 items'],
    [
      'a status that nobody can set',
      'UpdateContainerInstancesState',
      { containerInstances: ['a'], status: 'DEREGISTERING' },
      'status: expected ACTIVE or DRAINING, got "DEREGISTERING"',
    ],
    [
      'GPUs that cannot be counted',
      'RegisterTaskDefinition',
      registering({ resourceRequirements: [{ type: 'GPU', value: 'all' }] }),
      'containerDefinitions[0].resourceRequirements[0].value: expected the number of whole devices, at least 1',
    ],
    [
      'an override with less than no memory',
      'RunTask',
      { taskDefinition: 'web', overrides: { containerOverrides: [{ name: 'main', memory: -5 }] } },
      'overrides.containerOverrides[0].memory: expected a whole number from 6 to 2147483647, got -5',
    ],
    [
      'an attribute with a blank in its name',
      'PutAttributes',
      { attributes: [{ name: 'a b' }] },
      'attributes[0].name: expected 1 to 128 letters, digits, hyphens, underscores, slashes and periods, got "a b"',
    ],
  ];
  it.each(values)('refuses %s and says where it is', (_what, operation, json, message) => {
    expect(refusal(operation, json)).toBe(`InvalidParameterException: ${message}`);
  });

  it('tells several problems at once, and how many it does not tell', () => {
    const sent = registering({
      cpu: -1,
      portMappings: [70_000, 70_001, 70_002, 70_003, 70_004, 70_005].map((hostPort) => ({ hostPort })),
    });
    expect(refusal('RegisterTaskDefinition', sent)).toMatch(
      /^InvalidParameterException: containerDefinitions\[0\]\.cpu: .*; containerDefinitions\[0\]\.portMappings\[3\].*; and 2 more$/,
    );
  });
});

describe('withoutNulls', () => {
  it('leaves the value it was given as it was', () => {
    const sent = { a: null, b: [{ c: null }] };
    expect(withoutNulls(sent)).toEqual({ b: [{}] });
    expect(sent).toEqual({ a: null, b: [{ c: null }] });
  });

  it('makes no prototype out of a member of that name', () => {
    const copy = withoutNulls(JSON.parse('{"__proto__": {"polluted": true}}'));
    expect(Reflect.get(Object(copy), 'polluted')).toBeUndefined();
  });
});
