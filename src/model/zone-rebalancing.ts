/** Availability zone rebalancing: which services it goes with. Where nothing is said it is on for those, as in ECS. */
import type { Service } from './service.ts';

/** The availability zone as placement strategies and constraints name it. */
export const zoneField = 'attribute:ecs.availability-zone';

type Rebalanced = Pick<
  Service,
  | 'schedulingStrategy'
  | 'launchType'
  | 'deploymentController'
  | 'deploymentConfiguration'
  | 'placementStrategy'
  | 'placementConstraints'
  | 'capacityProviderStrategy'
>;

/** Why the service cannot be rebalanced; undefined when it can. */
export function problemOfZoneRebalancing(service: Rebalanced): string | undefined {
  const [first] = service.placementStrategy;
  const spreadsZones = first === undefined || (first.type === 'spread' && first.field === zoneField);
  if (service.schedulingStrategy === 'DAEMON') return 'the scheduling strategy DAEMON';
  if (service.launchType === 'EXTERNAL') return 'the launch type EXTERNAL';
  if (service.deploymentController !== 'ECS') return `the deployment controller ${service.deploymentController}`;
  if (service.deploymentConfiguration.maximumPercent <= 100) return 'a maximumPercent of 100 or less';
  if (service.capacityProviderStrategy !== undefined) return 'a capacity provider strategy';
  if (!spreadsZones) return `a placement strategy that does not begin with spread(${zoneField})`;
  const bound = service.placementConstraints.some(({ expression }) => expression?.includes(zoneField) === true);
  return bound ? `a placement constraint on ${zoneField}` : undefined;
}
