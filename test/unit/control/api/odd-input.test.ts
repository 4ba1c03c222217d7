/** Whatever JSON an operation is given, the answer is its own or an error of the caller: never one of ours. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { operationNames, operations } from '#protocol/ecs/operations.ts';
import { apiWorld } from './api-world.ts';

const oddTexts = fc.constantFrom(
  '',
  'default',
  'web',
  'web:1',
  'web:999999999',
  ':',
  'arn:',
  'arn:aws:ecs:us-east-1:000000000000:',
  'arn:aws:ecs:us-east-1:000000000000:task/default/',
  'arn:aws:ecs:us-east-1:000000000000:cluster/default',
  'arn:aws:ecs:us-east-1:000000000000:service/web',
  'arn:aws:ecs:us-east-1:000000000000:task-definition/web:1',
  '__proto__',
  'constructor',
  'a/b/c',
  "'; DROP TABLE tasks; --",
  '%_',
  '\u0000',
  '\ud800',
  'ä'.repeat(3000),
);
const leaf = fc.oneof(oddTexts, fc.string(), fc.integer(), fc.double(), fc.boolean(), fc.constant(null));
const value = fc.oneof({ depthSize: 'small' }, leaf, fc.array(leaf, { maxLength: 3 }), fc.jsonValue());

/** Objects whose members are mostly the operation's own, so that many get past the first check. */
function inputOf(fields: readonly string[]): fc.Arbitrary<object> {
  return fc.dictionary(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...fields, 'cluster') }, fc.string()), value, {
    maxKeys: 5,
  });
}

test.each(operationNames)('%s', async (operation) => {
  const world = await apiWorld();
  await world.instance();
  await world.definition();
  await world.call('CreateService', { serviceName: 'web', taskDefinition: 'web', desiredCount: 1 });
  await world.call('RunTask', { taskDefinition: 'web' });
  const fields = Object.keys(operations[operation].shape);
  await fc.assert(
    fc.asyncProperty(inputOf(fields), async (input) => {
      const { status, body } = await world.ask(operation, input);
      if (status !== 200)
        expect([status, typeof body['__type'], body['message']]).toEqual([400, 'string', expect.any(String)]);
    }),
    { numRuns: 40 },
  );
});
