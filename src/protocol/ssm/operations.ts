/**
 * The operations of Systems Manager through which ECS Anywhere lets machines join: those and no others are served here. Limits and names of fields are Systems
 * Manager's.
 */
import { z } from 'zod';
import { integer, listUpTo, nonEmptyText, textUpTo } from '../ecs/shared.ts';

/** `X-Amz-Target` is this, a full stop and the operation's name. */
export const ssmTargetPrefix = 'AmazonSSM';

const maximumRegistrations = 1000;

const tag = z.strictObject({
  Key: z.string().min(1).max(128),
  Value: textUpTo(256),
});

const createActivation = z.strictObject({
  Description: textUpTo(256).exactOptional(),
  DefaultInstanceName: textUpTo(256).exactOptional(),
  /** Required, shown back, and without effect: a machine's rights do not depend on it. */
  IamRole: nonEmptyText.max(64),
  RegistrationLimit: integer(1, maximumRegistrations).exactOptional(),
  /** Epoch seconds. */
  ExpirationDate: z.number().exactOptional(),
  Tags: listUpTo(tag, 50).exactOptional(),
  RegistrationMetadata: z.array(z.unknown()).exactOptional(),
});

const describeActivations = z.strictObject({
  Filters: z
    .array(
      z.strictObject({
        FilterKey: z.enum(['ActivationIds', 'DefaultInstanceName', 'IamRole']),
        FilterValues: z.array(z.string()),
      }),
    )
    .exactOptional(),
  MaxResults: integer(1, 50).exactOptional(),
  NextToken: z.string().exactOptional(),
});

const deleteActivation = z.strictObject({ ActivationId: nonEmptyText.max(64) });

/** `InstanceId`: the machine's id, as `ec2InstanceId` of its container instance. */
const deregisterManagedInstance = z.strictObject({ InstanceId: nonEmptyText.max(124) });

export const ssmOperations = {
  CreateActivation: createActivation,
  DescribeActivations: describeActivations,
  DeleteActivation: deleteActivation,
  DeregisterManagedInstance: deregisterManagedInstance,
} as const;

export type SsmOperationName = keyof typeof ssmOperations;
export type SsmInputOf<Name extends SsmOperationName> = z.infer<(typeof ssmOperations)[Name]>;

export function isSsmOperationName(name: string): name is SsmOperationName {
  return Object.hasOwn(ssmOperations, name);
}
