/** What a service is made of besides its task definition: how it deploys, what it is attached to. */
import { z } from 'zod';
import {
  count,
  ebsVolume,
  enabledOrDisabled,
  integer,
  listUpTo,
  logConfiguration,
  nonEmptyText,
  percent,
  port,
  strings,
} from './shared.ts';

const minutes = integer(0, 1440);

const lifecycleStages = z.enum([
  'RECONCILE_SERVICE',
  'PRE_SCALE_UP',
  'POST_SCALE_UP',
  'TEST_TRAFFIC_SHIFT',
  'POST_TEST_TRAFFIC_SHIFT',
  'PRE_PRODUCTION_TRAFFIC_SHIFT',
  'PRODUCTION_TRAFFIC_SHIFT',
  'POST_PRODUCTION_TRAFFIC_SHIFT',
]);

export const deploymentConfiguration = z.strictObject({
  deploymentCircuitBreaker: z
    .strictObject({
      enable: z.boolean(),
      rollback: z.boolean(),
      resetOnHealthyTask: z.boolean().exactOptional(),
      thresholdConfiguration: z
        .strictObject({ type: z.enum(['COUNT', 'BOUNDED_PERCENT', 'UNBOUNDED_PERCENT']), value: count })
        .exactOptional(),
    })
    .exactOptional(),
  maximumPercent: count.exactOptional(),
  minimumHealthyPercent: count.exactOptional(),
  alarms: z.strictObject({ alarmNames: strings, rollback: z.boolean(), enable: z.boolean() }).exactOptional(),
  strategy: z.enum(['ROLLING', 'BLUE_GREEN', 'LINEAR', 'CANARY']).exactOptional(),
  bakeTimeInMinutes: minutes.exactOptional(),
  lifecycleHooks: z
    .array(
      z.strictObject({
        targetType: z.enum(['AWS_LAMBDA', 'PAUSE']).exactOptional(),
        hookTargetArn: z.string().exactOptional(),
        roleArn: z.string().exactOptional(),
        lifecycleStages: z.array(lifecycleStages).exactOptional(),
        /** Any JSON; it is handed to the hook as it is. */
        hookDetails: z.json().exactOptional(),
        timeoutConfiguration: z
          .strictObject({
            timeoutInMinutes: count.exactOptional(),
            action: z.enum(['CONTINUE', 'ROLLBACK']).exactOptional(),
          })
          .exactOptional(),
      }),
    )
    .exactOptional(),
  linearConfiguration: z
    .strictObject({ stepPercent: z.number().exactOptional(), stepBakeTimeInMinutes: minutes.exactOptional() })
    .exactOptional(),
  canaryConfiguration: z
    .strictObject({ canaryPercent: z.number().exactOptional(), canaryBakeTimeInMinutes: minutes.exactOptional() })
    .exactOptional(),
  earlySuccessCriteria: z
    .strictObject({
      enable: z.boolean(),
      healthyPercent: percent.exactOptional(),
      sourceServiceRevisionCleanup: z.enum(['BLOCKING', 'DEFERRED']).exactOptional(),
    })
    .exactOptional(),
});

export const deploymentController = z.strictObject({ type: z.enum(['ECS', 'CODE_DEPLOY', 'EXTERNAL']) });

const listenerRules = {
  alternateTargetGroupArn: z.string().exactOptional(),
  productionListenerRule: z.string().exactOptional(),
  testListenerRule: z.string().exactOptional(),
};

export const loadBalancers = z.array(
  z.strictObject({
    targetGroupArn: z.string().exactOptional(),
    loadBalancerName: z.string().exactOptional(),
    containerName: z.string().exactOptional(),
    containerPort: port.exactOptional(),
    advancedConfiguration: z.strictObject({ ...listenerRules, roleArn: z.string().exactOptional() }).exactOptional(),
  }),
);

export const serviceRegistries = z.array(
  z.strictObject({
    registryArn: z.string().exactOptional(),
    port: port.exactOptional(),
    containerName: z.string().exactOptional(),
    containerPort: port.exactOptional(),
  }),
);

export const serviceConnectConfiguration = z.strictObject({
  enabled: z.boolean(),
  namespace: z.string().exactOptional(),
  services: z
    .array(
      z.strictObject({
        portName: nonEmptyText,
        discoveryName: z.string().exactOptional(),
        clientAliases: z
          .array(
            z.strictObject({
              port: integer(1, 65_535),
              dnsName: z.string().exactOptional(),
              testTrafficRules: z
                .strictObject({
                  header: z.strictObject({
                    name: nonEmptyText,
                    value: z.strictObject({ exact: z.string() }).exactOptional(),
                  }),
                })
                .exactOptional(),
            }),
          )
          .exactOptional(),
        ingressPortOverride: port.exactOptional(),
        timeout: z
          .strictObject({
            idleTimeoutSeconds: count.exactOptional(),
            perRequestTimeoutSeconds: count.exactOptional(),
          })
          .exactOptional(),
        tls: z
          .strictObject({
            issuerCertificateAuthority: z.strictObject({ awsPcaAuthorityArn: z.string().exactOptional() }),
            kmsKey: z.string().exactOptional(),
            roleArn: z.string().exactOptional(),
          })
          .exactOptional(),
      }),
    )
    .exactOptional(),
  logConfiguration: logConfiguration.exactOptional(),
  accessLogConfiguration: z
    .strictObject({
      format: z.enum(['TEXT', 'JSON']),
      includeQueryParameters: enabledOrDisabled.exactOptional(),
    })
    .exactOptional(),
  containerConfigurations: z.array(z.strictObject({ logLevel: z.enum(['info', 'debug']) })).exactOptional(),
});

export const serviceVolumeConfigurations = listUpTo(
  z.strictObject({ name: nonEmptyText, managedEBSVolume: z.strictObject(ebsVolume).exactOptional() }),
  1,
);

export const vpcLatticeConfigurations = z.array(
  z.strictObject({
    roleArn: nonEmptyText,
    targetGroupArn: nonEmptyText,
    portName: nonEmptyText,
    advancedConfiguration: z.strictObject(listenerRules).exactOptional(),
  }),
);

export const gatewayConnectors = z.array(
  z.strictObject({
    portName: nonEmptyText,
    healthCheck: z
      .strictObject({
        healthCheckProtocol: z.enum(['HTTP', 'HTTPS']).exactOptional(),
        healthCheckPort: port.exactOptional(),
        healthCheckPath: z.string().exactOptional(),
        healthCheckTimeoutSeconds: count.exactOptional(),
        healthCheckIntervalSeconds: count.exactOptional(),
        healthyThresholdCount: count.exactOptional(),
        unhealthyThresholdCount: count.exactOptional(),
        matcher: z
          .strictObject({ httpCode: z.string().exactOptional(), grpcCode: z.string().exactOptional() })
          .exactOptional(),
      })
      .exactOptional(),
    filters: z.strictObject({ accessTypes: z.array(z.enum(['PUBLIC', 'PRIVATE'])).exactOptional() }).exactOptional(),
  }),
);

export const monitoring = z.strictObject({
  metricConfigurations: z.array(z.strictObject({ metricNames: strings, resolutionSeconds: count })).exactOptional(),
});
