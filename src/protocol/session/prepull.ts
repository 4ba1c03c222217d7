/** Images that an instance is to have before tasks come, asked for by control and told of once by the agent. Repeated in each session until it is told. */
import { z } from 'zod';

const deploymentId = z.string().min(1).max(255);

export const PrepullImages = z.object({
  type: z.literal('prepull'),
  deploymentId,
  images: z
    .array(z.object({ image: z.string().min(1).max(2048), secret: z.string().min(1).max(2048).exactOptional() }))
    .max(100),
});
export type PrepullImages = z.infer<typeof PrepullImages>;

export const PrepullOutcome = z.object({
  type: z.literal('prepullOutcome'),
  deploymentId,
  outcome: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('pulled') }),
    z.object({ kind: z.literal('failed'), reason: z.string().max(1024) }),
  ]),
});
export type PrepullOutcome = z.infer<typeof PrepullOutcome>;
