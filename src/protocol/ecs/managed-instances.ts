/** Capacity providers that make their own instances: parsed as ECS has them, so that they can be refused by name and not as unknown fields. */
import { z } from 'zod';
import { count, strings } from './shared.ts';

const presence = z.enum(['included', 'required', 'excluded']);
const amount = z.number();
const range = z.strictObject({ min: amount.exactOptional(), max: amount.exactOptional() });
const rangeFrom = z.strictObject({ min: amount, max: amount.exactOptional() });

const acceleratorNames = [
  'a100',
  'inferentia',
  'k520',
  'k80',
  'm60',
  'radeon-pro-v520',
  't4',
  'vu9p',
  'v100',
  'a10g',
  'h100',
  't4g',
] as const;

const instanceRequirements = z.strictObject({
  vCpuCount: rangeFrom,
  memoryMiB: rangeFrom,
  cpuManufacturers: z.array(z.enum(['intel', 'amd', 'amazon-web-services'])).exactOptional(),
  memoryGiBPerVCpu: range.exactOptional(),
  excludedInstanceTypes: strings.exactOptional(),
  instanceGenerations: z.array(z.enum(['current', 'previous'])).exactOptional(),
  spotMaxPricePercentageOverLowestPrice: count.exactOptional(),
  onDemandMaxPricePercentageOverLowestPrice: count.exactOptional(),
  bareMetal: presence.exactOptional(),
  burstablePerformance: presence.exactOptional(),
  requireHibernateSupport: z.boolean().exactOptional(),
  networkInterfaceCount: range.exactOptional(),
  localStorage: presence.exactOptional(),
  localStorageTypes: z.array(z.enum(['hdd', 'ssd'])).exactOptional(),
  totalLocalStorageGB: range.exactOptional(),
  baselineEbsBandwidthMbps: range.exactOptional(),
  acceleratorTypes: z.array(z.enum(['gpu', 'fpga', 'inference'])).exactOptional(),
  acceleratorCount: range.exactOptional(),
  acceleratorManufacturers: z
    .array(z.enum(['amazon-web-services', 'amd', 'nvidia', 'xilinx', 'habana']))
    .exactOptional(),
  acceleratorNames: z.array(z.enum(acceleratorNames)).exactOptional(),
  acceleratorTotalMemoryMiB: range.exactOptional(),
  networkBandwidthGbps: range.exactOptional(),
  allowedInstanceTypes: strings.exactOptional(),
  maxSpotPriceAsPercentageOfOptimalOnDemandPrice: count.exactOptional(),
});

const networkConfiguration = z.strictObject({
  subnets: strings.exactOptional(),
  securityGroups: strings.exactOptional(),
});

const templateSettings = {
  storageConfiguration: z.strictObject({ storageSizeGiB: count.exactOptional() }).exactOptional(),
  localStorageConfiguration: z.strictObject({ useLocalStorage: z.boolean().exactOptional() }).exactOptional(),
  monitoring: z.enum(['BASIC', 'DETAILED']).exactOptional(),
  instanceMetadataTagsPropagation: z.boolean().exactOptional(),
  instanceRequirements: instanceRequirements.exactOptional(),
  capacityReservations: z
    .strictObject({
      reservationGroupArn: z.string().exactOptional(),
      reservationPreference: z
        .enum(['RESERVATIONS_ONLY', 'RESERVATIONS_FIRST', 'RESERVATIONS_EXCLUDED'])
        .exactOptional(),
    })
    .exactOptional(),
};

const providerSettings = {
  infrastructureRoleArn: z.string(),
  propagateTags: z.enum(['CAPACITY_PROVIDER', 'NONE']).exactOptional(),
  infrastructureOptimization: z.strictObject({ scaleInAfter: z.number().exactOptional() }).exactOptional(),
  autoRepairConfiguration: z
    .strictObject({ actionsStatus: z.enum(['ENABLED', 'DISABLED']).exactOptional() })
    .exactOptional(),
};

export const createManagedInstancesProvider = z.strictObject({
  ...providerSettings,
  instanceLaunchTemplate: z.strictObject({
    ec2InstanceProfileArn: z.string(),
    networkConfiguration,
    capacityOptionType: z.enum(['ON_DEMAND', 'SPOT', 'RESERVED']).exactOptional(),
    fipsEnabled: z.boolean().exactOptional(),
    ...templateSettings,
  }),
});

export const updateManagedInstancesProvider = z.strictObject({
  ...providerSettings,
  instanceLaunchTemplate: z.strictObject({
    ec2InstanceProfileArn: z.string().exactOptional(),
    networkConfiguration: networkConfiguration.exactOptional(),
    ...templateSettings,
  }),
});
