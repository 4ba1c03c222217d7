/** A task's own wish to be protected, in its name through the session of its agent. Repeated in the next session when this one ends without an answer. */
import { z } from 'zod';
import { longestProtectionMinutes } from '#model/task-protection.ts';

const requestId = z.string().min(1).max(64);

export const ProtectionRequest = z.object({
  type: z.literal('protectionRequest'),
  requestId,
  taskArn: z.string().min(1).max(2048),
  /** Absent: the task only asks how it stands. */
  change: z
    .object({
      protectionEnabled: z.boolean(),
      expiresInMinutes: z.number().int().min(1).max(longestProtectionMinutes).exactOptional(),
    })
    .exactOptional(),
});
export type ProtectionRequest = z.infer<typeof ProtectionRequest>;

const outcome = z.discriminatedUnion('kind', [
  /** `until`: epoch milliseconds; absent when the task is not protected. */
  z.object({ kind: z.literal('protection'), until: z.number().int().nonnegative().exactOptional() }),
  /** As an item of `failures`: the task cannot be protected. */
  z.object({ kind: z.literal('failure'), reason: z.string().max(255), detail: z.string().max(1024).exactOptional() }),
  /** Control could not do its part. */
  z.object({ kind: z.literal('error'), message: z.string().max(1024) }),
]);
export type ProtectionReply = z.infer<typeof outcome>;

export const ProtectionAnswer = z.object({ type: z.literal('protectionAnswer'), requestId, outcome });
export type ProtectionAnswer = z.infer<typeof ProtectionAnswer>;
