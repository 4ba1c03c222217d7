/** Requests about tags; every resource of ECS is tagged through its ARN. */
import { z } from 'zod';
import { listUpTo, maximumTags, reference, tagKey, tags } from './shared.ts';

export const tagResource = z.strictObject({ resourceArn: reference, tags });

export const untagResource = z.strictObject({ resourceArn: reference, tagKeys: listUpTo(tagKey, maximumTags) });

export const listTagsForResource = z.strictObject({ resourceArn: reference });
