/**
 * Every error that a caller of the API may see, by the name AWS gives it. A handler throws an `EcsError`; the edge turns it into
 * `{ __type, message }`. Texts are AWS's own where AWS has one, because scripts look for them.
 * What is missing from a Describe is not an error: it is an item of `failures`.
 */

interface ErrorKind {
  httpStatus: number;
  fault: 'client' | 'server';
}

const client: ErrorKind = { httpStatus: 400, fault: 'client' };
const server: ErrorKind = { httpStatus: 500, fault: 'server' };

export const errorKinds = {
  AccessDeniedException: client,
  AttributeLimitExceededException: client,
  BlockedException: client,
  ClientException: client,
  ClusterContainsCapacityProviderException: client,
  ClusterContainsContainerInstancesException: client,
  ClusterContainsServicesException: client,
  ClusterContainsTasksException: client,
  ClusterNotFoundException: client,
  ConflictException: client,
  DaemonNotActiveException: client,
  DaemonNotFoundException: client,
  GatewayNotFoundException: client,
  InvalidParameterException: client,
  LimitExceededException: client,
  MissingVersionException: client,
  NamespaceNotFoundException: client,
  NoUpdateAvailableException: client,
  PlatformTaskDefinitionIncompatibilityException: client,
  PlatformUnknownException: client,
  ResourceInUseException: client,
  ResourceNotFoundException: client,
  ServerException: server,
  ServiceDeploymentNotFoundException: client,
  ServiceNotActiveException: client,
  ServiceNotFoundException: client,
  TargetNotConnectedException: client,
  TargetNotFoundException: client,
  TaskSetNotFoundException: client,
  UnsupportedFeatureException: client,
  UpdateInProgressException: client,

  // Systems Manager's.
  InvalidActivation: client,
  InvalidInstanceId: client,

  // Common to all services of AWS.
  IncompleteSignatureException: client,
  InvalidSignatureException: client,
  MissingAuthenticationTokenException: client,
  RequestEntityTooLargeException: { httpStatus: 413, fault: 'client' },
  SerializationException: client,
  ServiceUnavailableException: { httpStatus: 503, fault: 'server' },
  ThrottlingException: client,
  UnknownOperationException: client,
  UnrecognizedClientException: client,
  ValidationException: client,
} as const satisfies Record<string, ErrorKind>;

export type EcsErrorCode = keyof typeof errorKinds;

/** An answer of the API, not a fault of the program: `message` is written for the caller, `cause` is kept for the log. */
export class EcsError extends Error {
  override readonly name = 'EcsError';
  readonly code: EcsErrorCode;
  /** Members beside `__type` and `message`, e.g. `resourceIds` of a ConflictException. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: EcsErrorCode,
    message: string,
    options: { details?: Readonly<Record<string, unknown>>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}

export interface ErrorAnswer {
  httpStatus: number;
  body: { readonly __type: EcsErrorCode; readonly message: string; readonly [member: string]: unknown };
}

export function errorAnswer(error: EcsError): ErrorAnswer {
  return {
    httpStatus: errorKinds[error.code].httpStatus,
    body: { ...error.details, __type: error.code, message: error.message },
  };
}

export function invalidParameter(message: string, cause?: unknown): EcsError {
  return new EcsError('InvalidParameterException', message, { cause });
}

export function clientException(message: string): EcsError {
  return new EcsError('ClientException', message);
}

/** The caller learns that it was our fault and nothing else; the reason is in `cause`. */
export function serverException(cause: unknown): EcsError {
  return new EcsError('ServerException', 'Service Unavailable. Please try again later.', { cause });
}

export function clusterNotFound(): EcsError {
  return new EcsError('ClusterNotFoundException', 'Cluster not found.');
}

export function clusterInactive(): EcsError {
  return new EcsError('ClusterNotFoundException', 'The referenced cluster was inactive.');
}

export function clusterContainsServices(): EcsError {
  return new EcsError('ClusterContainsServicesException', 'The Cluster cannot be deleted while Services are active.');
}

export function clusterContainsTasks(): EcsError {
  return new EcsError('ClusterContainsTasksException', 'The Cluster cannot be deleted while Tasks are active.');
}

export function clusterContainsContainerInstances(): EcsError {
  return new EcsError(
    'ClusterContainsContainerInstancesException',
    'The Cluster cannot be deleted while Container Instances are active or draining.',
  );
}

export function clusterContainsCapacityProviders(): EcsError {
  return new EcsError(
    'ClusterContainsCapacityProviderException',
    'The Cluster cannot be deleted while Capacity Providers are associated with it.',
  );
}

export function capacityProviderExists(): EcsError {
  return clientException(
    'The specified capacity provider already exists. To change the configuration of an existing capacity provider, update the capacity provider.',
  );
}

export function capacityProviderNameInvalid(): EcsError {
  return clientException(
    'The specified capacity provider name is invalid. Up to 255 characters are allowed, including letters (upper and lowercase), numbers, underscores, and hyphens. The name cannot be prefixed with "aws", "ecs", or "fargate". Specify a valid name and try again.',
  );
}

/** Said by operations on the provider itself. */
export function capacityProviderNotFound(): EcsError {
  return clientException('The specified capacity provider does not exist. Specify a valid name or ARN and try again.');
}

/** Said by operations that name a provider in passing. */
export function capacityProviderUnknown(name: string): EcsError {
  return invalidParameter(
    `The specified capacity provider '${name}' was not found. Specify a valid name or ARN and try again.`,
  );
}

export function capacityProviderNotAssociated(name: string): EcsError {
  return invalidParameter(
    'The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. ' +
      `Associate the capacity provider with the cluster and try again: ${name}.`,
  );
}

export function capacityProviderInUse(name: string): EcsError {
  return new EcsError(
    'ResourceInUseException',
    `The specified capacity provider is in use and cannot be removed: ${name}.`,
  );
}

export function capacityProviderAssociated(clusterName: string): EcsError {
  return clientException(
    `The capacity provider cannot be deleted because it is associated with cluster: ${clusterName}. Remove the capacity provider from the cluster and try again.`,
  );
}

export function serviceNotFound(): EcsError {
  return new EcsError('ServiceNotFoundException', 'Service not found.');
}

export function serviceNotActive(): EcsError {
  return new EcsError('ServiceNotActiveException', 'Service was not ACTIVE.');
}

export function serviceDeploymentNotFound(): EcsError {
  return new EcsError('ServiceDeploymentNotFoundException', 'Service deployment not found.');
}

export function conflict(message: string): EcsError {
  return new EcsError('ConflictException', message);
}

export function serviceAlreadyExists(): EcsError {
  return invalidParameter('Creation of service was not idempotent.');
}

export function serviceScaledAboveZero(): EcsError {
  return invalidParameter('The service cannot be stopped while it is scaled above 0.');
}

/** A service whose task sets are all scaled to 0 still has them. */
export function serviceHasTaskSets(): EcsError {
  return invalidParameter('The service cannot be stopped while deployments are active.');
}

export function taskSetNotFound(): EcsError {
  return new EcsError('TaskSetNotFoundException', 'The specified task set was not found.');
}

export function taskSetsNeedExternalController(): EcsError {
  return invalidParameter(
    'Amazon ECS only supports task set management on services configured to use external deployment controllers.',
  );
}

export function tooManyTaskSets(count: number): EcsError {
  return invalidParameter(
    `${count} deployments exist on the service. Unable to create new TaskSet since this exceeds the maximum limit.`,
  );
}

/** Said by Berth's own questions, which take services, tasks and container instances alike. */
export function whyNotFound(reference: string, clusterName: string): EcsError {
  return new EcsError(
    'ResourceNotFoundException',
    `No service, task or container instance of the cluster ${clusterName} is called ${reference}.`,
  );
}

export function platformUnknown(platformVersion: string): EcsError {
  return new EcsError('PlatformUnknownException', `The specified platform version does not exist: ${platformVersion}.`);
}

export function taskDefinitionNotFound(): EcsError {
  return clientException('Unable to describe task definition.');
}

/** Said by RunTask, StartTask, CreateService and UpdateService. */
export function taskDefinitionToRunNotFound(): EcsError {
  return clientException('TaskDefinition not found.');
}

export function taskDefinitionInactive(): EcsError {
  return clientException('TaskDefinition is inactive');
}

export function provisioningLimitExceeded(limit: number): EcsError {
  return clientException(
    `Tasks provisioning capacity limit exceeded: at most ${limit} tasks of a cluster wait for room.`,
  );
}

export function taskNotFound(): EcsError {
  return invalidParameter('The referenced task was not found.');
}

export function containerInstanceNotFound(): EcsError {
  return invalidParameter('Referenced container instance not found.');
}

export function containerInstanceHasTasks(): EcsError {
  return invalidParameter('Found running tasks on the instance.');
}

export function resourceNotFound(): EcsError {
  return invalidParameter('The specified resource was not found.');
}

export function executeCommandNotEnabled(): EcsError {
  return invalidParameter(
    'The execute command failed because execute command was not enabled when the task was run or the execute command agent ' +
      'isn’t running. Wait and try again or run a new task with execute command enabled and try again.',
  );
}

export function targetNotConnected(message: string): EcsError {
  return new EcsError('TargetNotConnectedException', message);
}

export function targetNotFound(message: string): EcsError {
  return new EcsError('TargetNotFoundException', message);
}

export function attributeLimitExceeded(limit: number): EcsError {
  return new EcsError(
    'AttributeLimitExceededException',
    `The limit of ${limit} custom attributes on a resource is exceeded.`,
  );
}

/** A client token used again with other input; `resourceIds` are what its first use made. */
export function clientTokenReused(resourceIds: readonly string[]): EcsError {
  return new EcsError(
    'ConflictException',
    'The request was already made with this clientToken, but with different parameters.',
    { details: { resourceIds } },
  );
}

export function unsupportedFeature(message: string): EcsError {
  return new EcsError('UnsupportedFeatureException', message);
}

export function unsupportedOperation(operation: string): EcsError {
  return unsupportedFeature(`The operation ${operation} is not supported yet.`);
}

export function unknownOperation(operation: string): EcsError {
  return new EcsError('UnknownOperationException', `Unknown operation: ${operation}`);
}

export function serialization(message: string, cause?: unknown): EcsError {
  return new EcsError('SerializationException', message, { cause });
}

export function requestEntityTooLarge(maximumBytes: number): EcsError {
  return new EcsError('RequestEntityTooLargeException', `The request body exceeds ${maximumBytes} bytes.`);
}

export function noUpdateAvailable(message: string): EcsError {
  return new EcsError('NoUpdateAvailableException', message);
}

export function updateInProgress(): EcsError {
  return new EcsError('UpdateInProgressException', 'There is already an update in progress for this container agent.');
}

export function missingVersion(): EcsError {
  return new EcsError(
    'MissingVersionException',
    'Amazon ECS cannot determine the current version of the Amazon ECS container agent on the container instance.',
  );
}

export function throttled(): EcsError {
  return new EcsError('ThrottlingException', 'Rate exceeded');
}

export function missingAuthenticationToken(): EcsError {
  return new EcsError('MissingAuthenticationTokenException', 'Missing Authentication Token');
}

export function unrecognizedClient(): EcsError {
  return new EcsError('UnrecognizedClientException', 'The security token included in the request is invalid.');
}

export function incompleteSignature(message: string): EcsError {
  return new EcsError('IncompleteSignatureException', message);
}

export function signatureMismatch(): EcsError {
  return new EcsError(
    'InvalidSignatureException',
    'The request signature we calculated does not match the signature you provided. ' +
      'Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
  );
}

/** Times in the basic form of SigV4, e.g. `20261120T205400Z`; `earliest` is the oldest that would still be accepted. */
export function signatureExpired(times: { signedAt: string; earliest: string }): EcsError {
  return new EcsError(
    'InvalidSignatureException',
    `Signature expired: ${times.signedAt} is now earlier than ${times.earliest}`,
  );
}

export function signatureNotYetCurrent(times: { signedAt: string; latest: string }): EcsError {
  return new EcsError(
    'InvalidSignatureException',
    `Signature not yet current: ${times.signedAt} is still later than ${times.latest}`,
  );
}
