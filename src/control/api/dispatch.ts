/**
 * From the name of an operation and its JSON to an answer, without HTTP. Every supported operation has a handler: the record does not
 * compile when one is missing. Nothing is thrown: what a handler throws becomes an ECS error, and what is not one of ours is logged in
 * full under the request's id and answered without its details.
 */
import type { Clock } from '#lib/clock.ts';
import type { Ids } from '#lib/ids.ts';
import type { Logger } from '#lib/logger.ts';
import type { Random } from '#lib/random.ts';
import type { Realm } from '#model/arn.ts';
import {
  EcsError,
  errorAnswer,
  serverException,
  unknownOperation,
  unsupportedOperation,
} from '#protocol/ecs/errors.ts';
import { isOperationName, isUnsupportedOperationName, type OperationName } from '#protocol/ecs/operations.ts';
import { parseInput } from '#protocol/ecs/parse.ts';
import type { ReleaseSource } from '../sessions/agent-updates.ts';
import type { ExecBroker } from '../sessions/exec-broker.ts';
import type { Store } from '../store/store.ts';
import { accountSettingHandlers } from './account-settings.ts';
import { agentUpdateHandlers } from './agent-updates.ts';
import { attributeHandlers } from './attributes.ts';
import { capacityProviderHandlers } from './capacity-providers.ts';
import { clusterHandlers } from './clusters.ts';
import { containerInstanceHandlers } from './container-instances.ts';
import { executeCommandHandlers } from './execute-command.ts';
import type { HandlerContext, Handlers } from './handler.ts';
import { serviceDeploymentHandlers } from './service-deployments.ts';
import { serviceHandlers } from './services.ts';
import type { Principal } from './sigv4.ts';
import { tagHandlers } from './tags.ts';
import { taskDefinitionHandlers } from './task-definitions.ts';
import { taskProtectionHandlers } from './task-protection.ts';
import { taskSetHandlers } from './task-sets.ts';
import { taskHandlers } from './tasks.ts';

export interface DispatcherOptions {
  readonly store: Store;
  readonly realm: Realm;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly execs: Pick<ExecBroker, 'grant'>;
  readonly release: ReleaseSource;
  readonly logger: Logger;
}

export interface ApiRequest {
  operation: string;
  /** The JSON of the body. */
  body: unknown;
  principal: Principal;
  /** Where the caller reaches us, e.g. `http://127.0.0.1:4566`. */
  origin: string;
  /** For the log, and for the message of an internal error. */
  requestId: string;
}

export interface ApiAnswer {
  status: number;
  body: object;
}

export interface Dispatcher {
  dispatch(request: ApiRequest): Promise<ApiAnswer>;
}

const handlers: Handlers = {
  ...accountSettingHandlers,
  ...agentUpdateHandlers,
  ...attributeHandlers,
  ...capacityProviderHandlers,
  ...clusterHandlers,
  ...containerInstanceHandlers,
  ...executeCommandHandlers,
  ...serviceHandlers,
  ...serviceDeploymentHandlers,
  ...tagHandlers,
  ...taskDefinitionHandlers,
  ...taskHandlers,
  ...taskProtectionHandlers,
  ...taskSetHandlers,
};

export function createDispatcher({ logger, ...dependencies }: DispatcherOptions): Dispatcher {
  return {
    async dispatch({ operation, body, principal, origin, requestId }) {
      try {
        return { status: 200, body: await handle({ ...dependencies, principal, origin }, operation, body) };
      } catch (error) {
        return answerOf(error, { logger, operation, requestId });
      }
    },
  };
}

function handle(context: HandlerContext, operation: string, body: unknown): Promise<object> {
  if (isOperationName(operation)) return handleKnown(context, operation, body);
  throw isUnsupportedOperationName(operation) ? unsupportedOperation(operation) : unknownOperation(operation);
}

async function handleKnown<Name extends OperationName>(
  context: HandlerContext,
  operation: Name,
  body: unknown,
): Promise<object> {
  const parsed = parseInput(operation, body);
  if (!parsed.ok) throw parsed.error;
  return handlers[operation](context, parsed.input);
}

/** The answer to an error of any kind; logs those that are ours. */
export function answerOf(
  error: unknown,
  { logger, operation, requestId }: { logger: Logger; operation: string; requestId: string },
): ApiAnswer {
  const known = error instanceof EcsError ? error : serverException(error);
  if (!(error instanceof EcsError)) logger.error({ error, operation, requestId }, 'API request failed inside');
  const { httpStatus, body } = errorAnswer(known);
  if (known.code !== 'ServerException') return { status: httpStatus, body };
  return { status: httpStatus, body: { ...body, message: `${body.message} (request id ${requestId})` } };
}
