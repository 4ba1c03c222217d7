/** Requests about attributes of container instances. */
import { z } from 'zod';
import { clusterReference, listFrom1To, page, textUpTo } from './shared.ts';

const namePhrase = 'expected 1 to 128 letters, digits, hyphens, underscores, slashes and periods';
const valuePhrase =
  'expected 1 to 128 letters, digits, hyphens, underscores, periods, at signs, slashes, colons and inner spaces';

const attribute = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_./-]{1,128}$/, { error: namePhrase }),
  value: z
    .string()
    .regex(/^(?! )[A-Za-z0-9_.@/\\: -]{1,128}(?<! )$/, { error: valuePhrase })
    .exactOptional(),
  targetType: z.enum(['container-instance']).exactOptional(),
  targetId: z.string().exactOptional(),
});

const attributes = listFrom1To(attribute, 10);

export const putAttributes = z.strictObject({ cluster: clusterReference, attributes });

export const deleteAttributes = z.strictObject({ cluster: clusterReference, attributes });

export const listAttributes = z.strictObject({
  cluster: clusterReference,
  targetType: z.enum(['container-instance']),
  attributeName: textUpTo(128).exactOptional(),
  attributeValue: textUpTo(128).exactOptional(),
  ...page,
});
