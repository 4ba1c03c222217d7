/**
 * The pieces that the request schemas of ECS have in common. Objects are strict: a field ECS does not know is refused, not dropped.
 * A constraint carries its own phrase ("expected …"), which parse.ts completes with the path and the value received.
 */
import { z } from 'zod';

/** A whole number within bounds that ECS documents. */
export function integer(minimum: number, maximum: number) {
  const error = `expected a whole number from ${minimum} to ${maximum}`;
  return z.number().int({ error }).min(minimum, { error }).max(maximum, { error });
}

/** ECS's Integer: 32 bits, signed. */
export const anyInteger = integer(-2_147_483_648, 2_147_483_647);
export const count = integer(0, 2_147_483_647);
export const port = integer(0, 65_535);
export const percent = integer(0, 100);

export function textUpTo(maximum: number) {
  return z.string().max(maximum, { error: `expected at most ${maximum} characters` });
}

export const nonEmptyText = z.string().min(1, { error: 'expected at least one character' });

export function listUpTo<Item extends z.ZodType>(item: Item, maximum: number) {
  return z.array(item).max(maximum, { error: `expected at most ${maximum} items` });
}

export function listFrom1To<Item extends z.ZodType>(item: Item, maximum: number) {
  return listUpTo(item, maximum).min(1, { error: 'expected at least one item' });
}

export const strings = z.array(z.string());
export const stringMap = z.record(z.string(), z.string());

/** Clusters, families, services and containers are all named by one rule. */
export const resourceName = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,255}$/, { error: 'expected 1 to 255 letters, digits, hyphens and underscores' });

/** A name or an ARN; ECS takes either wherever it asks for an existing resource. */
export const reference = nonEmptyText.max(2048, { error: 'expected at most 2048 characters' });

/** Absent and empty both mean the cluster `default`. */
export const clusterReference = textUpTo(2048).exactOptional();

export const page = {
  nextToken: z.string().exactOptional(),
  maxResults: integer(1, 100).exactOptional(),
};

export const maximumTags = 50;

const tagKeyPhrase = 'expected 1 to 128 characters';
export const tagKey = z.string().min(1, { error: tagKeyPhrase }).max(128, { error: tagKeyPhrase });

export const tag = z.strictObject({
  key: tagKey.refine((key) => !/^aws:/i.test(key), { error: 'expected a key that does not begin with aws:' }),
  value: textUpTo(256).exactOptional(),
});

export const tags = listUpTo(tag, maximumTags).refine(
  (list) => new Set(list.map((item) => item.key)).size === list.length,
  { error: 'expected each key once' },
);

export const keyValuePair = z.strictObject({ name: nonEmptyText, value: z.string().exactOptional() });

/** What makes a repeated request the same request. */
export function clientToken(maximum: number) {
  const error = `expected 1 to ${maximum} printable ASCII characters`;
  return z.string().regex(new RegExp(`^[\\x21-\\x7e]{1,${maximum}}$`), { error });
}

/** Who asked for a task: a short mark that ListTasks can filter on. */
export const startedBy = textUpTo(128);

export const launchType = z.enum(['EC2', 'FARGATE', 'EXTERNAL', 'MANAGED_INSTANCES']);
export const propagateTags = z.enum(['TASK_DEFINITION', 'SERVICE', 'NONE']);
export const enabledOrDisabled = z.enum(['ENABLED', 'DISABLED']);

export const secret = z.strictObject({ name: nonEmptyText, valueFrom: nonEmptyText });

export const logConfiguration = z.strictObject({
  logDriver: z.enum(['json-file', 'syslog', 'journald', 'gelf', 'fluentd', 'awslogs', 'splunk', 'awsfirelens']),
  options: stringMap.exactOptional(),
  secretOptions: z.array(secret).exactOptional(),
});

export const capacityProviderStrategy = listUpTo(
  z.strictObject({
    capacityProvider: nonEmptyText,
    weight: integer(0, 1000).exactOptional(),
    base: integer(0, 100_000).exactOptional(),
  }),
  20,
);

export const networkConfiguration = z.strictObject({
  awsvpcConfiguration: z
    .strictObject({
      subnets: listUpTo(z.string(), 16),
      securityGroups: listUpTo(z.string(), 5).exactOptional(),
      assignPublicIp: enabledOrDisabled.exactOptional(),
    })
    .exactOptional(),
});

export const placementConstraints = listUpTo(
  z.strictObject({
    type: z.enum(['distinctInstance', 'memberOf']).exactOptional(),
    expression: textUpTo(2000).exactOptional(),
  }),
  10,
);

export const placementStrategy = listUpTo(
  z.strictObject({
    type: z.enum(['random', 'spread', 'binpack']).exactOptional(),
    field: z.string().exactOptional(),
  }),
  5,
);

export const ebsVolume = {
  encrypted: z.boolean().exactOptional(),
  kmsKeyId: z.string().exactOptional(),
  volumeType: z.string().exactOptional(),
  sizeInGiB: count.exactOptional(),
  snapshotId: z.string().exactOptional(),
  volumeInitializationRate: count.exactOptional(),
  iops: count.exactOptional(),
  throughput: count.exactOptional(),
  tagSpecifications: z
    .array(
      z.strictObject({
        resourceType: z.enum(['volume']),
        tags: tags.exactOptional(),
        propagateTags: propagateTags.exactOptional(),
      }),
    )
    .exactOptional(),
  roleArn: z.string(),
  filesystemType: z.enum(['ext3', 'ext4', 'xfs', 'ntfs']).exactOptional(),
};
