/** What is to be placed, and where it may go. */
import type { Attribute } from '#model/attributes.ts';
import { capability } from '#model/capabilities.ts';
import type { PlacementConstraint, PlacementStrategy } from '#model/placement.ts';
import type { TaskResources } from '#model/resources.ts';

export interface PlacementRequest {
  count: number;
  /** `distinctInstance` keeps tasks of one group apart. */
  group: string;
  /** Present for a service's tasks; spreading then counts the tasks of that service. */
  serviceName?: string;
  launchType: 'EC2' | 'FARGATE' | 'EXTERNAL';
  resources: TaskResources;
  requiredAttributes: readonly Attribute[];
  /** Those of the definition as well as those of the service or the request. */
  constraints: readonly PlacementConstraint[];
  /** Empty means the default. */
  strategy: readonly PlacementStrategy[];
}

/** What an agent must be able to do for a launch type, besides what the definition asks for. */
export const launchTypeAttributes: Readonly<Record<PlacementRequest['launchType'], readonly Attribute[]>> = {
  EC2: [],
  EXTERNAL: [],
  FARGATE: [{ name: capability.fargate }],
};
