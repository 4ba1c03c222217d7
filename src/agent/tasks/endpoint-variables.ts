/** The variables by which a container finds what its agent serves to it: ECS's names and forms. */
import type { ContainerSpec } from './container-spec.ts';

export interface ContainerEndpoint {
  /** E.g. `http://169.254.170.2`. */
  origin: string;
  /** Known to this container alone. */
  id: string;
}

/** They replace variables of the same names. A container without any network is not sent to where it cannot go. */
export function withEndpointVariables(spec: ContainerSpec, endpoint: ContainerEndpoint | undefined): ContainerSpec {
  if (endpoint === undefined || spec.network === 'none') return spec;
  const { origin, id } = endpoint;
  const variables = {
    ECS_CONTAINER_METADATA_URI: `${origin}/v3/${id}`,
    ECS_CONTAINER_METADATA_URI_V4: `${origin}/v4/${id}`,
    ECS_AGENT_URI: `${origin}/api/${id}`,
  };
  const others = spec.environment.filter((line) => !Object.hasOwn(variables, line.slice(0, line.indexOf('='))));
  return { ...spec, environment: [...others, ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)] };
}
