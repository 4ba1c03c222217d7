/** Asked of agents that came with a certificate: they are to renew it now, since another authority issues. Never answered; the renewal is an HTTP request of its own. */
import { z } from 'zod';

export const RenewIdentity = z.object({ type: z.literal('renewIdentity') });
