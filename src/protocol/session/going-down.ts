/** A machine that goes down says so, and control has its tasks replaced while there is time. */
import { z } from 'zod';

/** The machine shuts down or reboots; the agent goes on for a while, so that its tasks can move. */
export const GoingDown = z.object({ type: z.literal('goingDown') });
export type GoingDown = z.infer<typeof GoingDown>;

export const GoingDownAnswer = z.object({
  type: z.literal('goingDownAnswer'),
  /** The instance is DRAINING because of this: it is to be ACTIVE again when the machine is back. False when it was not ACTIVE. */
  drained: z.boolean(),
  /** ACTIVE instances of the cluster with a connected agent, this one left out: where tasks can move to. */
  others: z.number().int().nonnegative(),
});
export type GoingDownAnswer = z.infer<typeof GoingDownAnswer>;
