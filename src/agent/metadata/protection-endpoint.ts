/**
 * Task protection from inside a task, as ecs-agent answers it: `{protection}`, `{failure}` when the task cannot be protected, `{error}` with a status for
 * everything else. Control decides; what a caller did wrong is told without asking it.
 */
import { z } from 'zod';
import type { Clock } from '#lib/clock.ts';
import { toIsoTime } from '#lib/iso-time.ts';
import type { ProtectionResult, ProtectionWish } from '../session/protection-requests.ts';
import type { FoundContainer } from './endpoint-ids.ts';
import { createRateLimiter } from './rate-limit.ts';
import type { Answer, Route, RoutedRequest } from './routes.ts';

export interface ProtectionEndpointOptions {
  find(id: string): FoundContainer | undefined;
  /** Asks control; answers within a few seconds, whatever happens. */
  protect(wish: ProtectionWish): Promise<ProtectionResult>;
  clock: Pick<Clock, 'now'>;
}

/** Of all tasks of the machine together; each request is a transaction at control. */
const rateLimit = { perSecond: 10, burst: 10 };

const Request = z.strictObject({
  protectionenabled: z.boolean({ error: "does not contain 'ProtectionEnabled' field, true or false" }),
  expiresinminutes: z.number().int().min(1).max(2880).nullish(),
});

export function protectionRoutes({ find, protect, clock }: ProtectionEndpointOptions): Route[] {
  const allows = createRateLimiter(rateLimit, clock);

  async function answer(request: RoutedRequest): Promise<Answer> {
    const taskArn = find(request.part('id'))?.task.assignment.taskArn;
    if (taskArn === undefined)
      return failed(404, '', 'ResourceNotFoundException', 'Failed to find a task for the request');
    const wish = request.method === 'PUT' ? readWish(taskArn, request.body) : { taskArn };
    if (typeof wish === 'string') return failed(400, taskArn, 'InvalidParameterException', wish);
    if (!allows()) return failed(400, taskArn, 'ThrottlingException', 'Rate exceeded');
    return render(taskArn, await protect(wish));
  }

  const path = '/api/{id}/task-protection/v1/state';
  return [
    { method: 'GET', path, answer },
    { method: 'PUT', path, answer },
  ];
}

/** What is wrong with the body as a text. Names of fields are taken in any case, as ecs-agent does. */
function readWish(taskArn: string, body: string): ProtectionWish | string {
  let value: unknown;
  try {
    value = JSON.parse(body, (_, member: unknown) => withLowerCaseNames(member));
  } catch (error) {
    return `UpdateTaskProtection: failed to decode request: ${error instanceof Error ? error.message : String(error)}`;
  }
  const parsed = Request.safeParse(value);
  if (!parsed.success) return `Invalid request: ${parsed.error.issues.map(({ message }) => message).join('; ')}`;
  const { protectionenabled: protectionEnabled, expiresinminutes: minutes } = parsed.data;
  const timed = typeof minutes === 'number' ? { expiresInMinutes: minutes } : {};
  return { taskArn, change: { protectionEnabled, ...timed } };
}

function withLowerCaseNames(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name.toLowerCase(), member]));
}

function render(taskArn: string, result: ProtectionResult): Answer {
  switch (result.kind) {
    case 'protection': {
      const { until } = result;
      // To the second, as ECS writes it.
      const ExpirationDate = until === undefined ? null : toIsoTime(until).replace(/\.\d+Z$/, 'Z');
      return {
        status: 200,
        json: { protection: { ExpirationDate, ProtectionEnabled: until !== undefined, TaskArn: taskArn } },
      };
    }
    case 'failure':
      return { status: 200, json: { failure: { Arn: taskArn, Detail: result.detail ?? null, Reason: result.reason } } };
    case 'error':
      return failed(500, taskArn, 'ServerException', result.message);
    case 'timeout':
      return failed(504, taskArn, 'RequestCanceled', 'Timed out calling ECS Task Protection API');
    case 'tooMany':
      return failed(400, taskArn, 'ThrottlingException', 'Rate exceeded');
  }
}

function failed(status: number, arn: string, code: string, message: string): Answer {
  return { status, json: { error: { Arn: arn, Code: code, Message: message } } };
}
