/** The settings of the local endpoints, by their variables: ECS's names where ECS has one. */
import { isIPv4 } from 'node:net';
import { z } from 'zod';
import type { LocalEndpointSettings } from './local-endpoints.ts';

const nowhere = 'none';
const mostPerSecond = 1_000_000;

export const endpointVariables = {
  ECS_TASK_METADATA_RPS_LIMIT: z
    .string()
    .default('40,60')
    .transform((text, context) => {
      const [perSecond = 0, burst = 0] = text.split(',').map((part) => (/^\d{1,7}$/.test(part) ? Number(part) : 0));
      const isLimit = perSecond >= 1 && burst >= perSecond && burst <= mostPerSecond && text.split(',').length === 2;
      if (isLimit) return { perSecond, burst };
      const message = 'expected requests a second and, not below that, at once, such as 40,60';
      context.addIssue({ code: 'custom', message, input: text });
      return z.NEVER;
    }),
  ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS: z.enum(['true', 'false']).default('false'),
  BERTH_METADATA_ADDRESS: z
    .string()
    .refine((text) => text === nowhere || (isIPv4(text) && text.startsWith('169.254.')), {
      error: `expected a link-local address, such as 169.254.170.2, or ${nowhere}`,
    })
    .default('169.254.170.2'),
  BERTH_INTROSPECTION_PORT: z
    .string()
    .regex(/^\d{1,5}$/, { error: 'expected a port, or 0 for none' })
    .transform(Number)
    .refine((port) => port <= 65_535, { error: 'expected a port, or 0 for none' })
    .default(51_678),
};

const EndpointVariables = z.object(endpointVariables);

export function endpointSettings(variables: z.output<typeof EndpointVariables>): LocalEndpointSettings {
  const { BERTH_METADATA_ADDRESS: address } = variables;
  return {
    metadataAddress: address === nowhere ? undefined : address,
    rateLimit: variables.ECS_TASK_METADATA_RPS_LIMIT,
    introspectionPort: variables.BERTH_INTROSPECTION_PORT,
    introspectionOffHost: variables.ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS === 'true',
  };
}
