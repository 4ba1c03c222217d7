/**
 * Endpoints that act in the name of a task's role: its credentials, its protection from scale-in, faults that it may inject. Tasks have no role
 * yet, so each answers what ecs-agent answers in that case; what a caller did wrong is told first.
 */
import { z } from 'zod';
import type { AgentTask } from '../tasks/agent-task.ts';
import type { FoundContainer } from './endpoint-ids.ts';
import type { Answer, Route, RoutedRequest } from './routes.ts';

const ProtectionRequest = z.strictObject({
  ProtectionEnabled: z.boolean(),
  ExpiresInMinutes: z.number().int().min(1).max(2880).nullish(),
});

export function roleEndpointRoutes(find: (id: string) => FoundContainer | undefined): Route[] {
  function taskOf(request: RoutedRequest): AgentTask | undefined {
    return find(request.part('id'))?.task;
  }

  function protection(request: RoutedRequest): Answer {
    const task = taskOf(request);
    if (task === undefined)
      return protectionError(404, '', 'ResourceNotFoundException', 'Failed to find a task for the request');
    const { taskArn } = task.assignment;
    if (request.method === 'PUT') {
      const problem = problemOf(request.body);
      if (problem !== undefined) return protectionError(400, taskArn, 'InvalidParameterException', problem);
    }
    const message = 'Invalid Request: no task IAM role credentials available for task';
    return protectionError(403, taskArn, 'AccessDeniedException', message);
  }

  function fault(request: RoutedRequest): Answer {
    const task = taskOf(request);
    if (task === undefined) return { status: 404, json: { Error: 'unable to find a task for the request' } };
    const { taskArn } = task.assignment;
    return { status: 400, json: { Error: `enableFaultInjection is not enabled for task: ${taskArn}` } };
  }

  const protectionPath = '/api/{id}/task-protection/v1/state';
  return [
    { method: 'GET', path: protectionPath, answer: protection },
    { method: 'PUT', path: protectionPath, answer: protection },
    { method: 'POST', path: '/api/{id}/fault/v1/{kind}/{action}', answer: fault },
    { method: 'GET', path: '/v1/credentials', answer: ({ query }) => credentials('V1', query.get('id') ?? '') },
    { method: 'GET', path: '/v2/credentials', answer: () => credentials('V2', '') },
    { method: 'GET', path: '/v2/credentials/{id}', answer: ({ part }) => credentials('V2', part('id')) },
  ];
}

function problemOf(body: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    return `UpdateTaskProtection: failed to decode request: ${error instanceof Error ? error.message : String(error)}`;
  }
  const parsed = ProtectionRequest.safeParse(value);
  return parsed.success
    ? undefined
    : `UpdateTaskProtection: failed to decode request: ${z.prettifyError(parsed.error)}`;
}

function protectionError(status: number, arn: string, code: string, message: string): Answer {
  return { status, json: { error: { Arn: arn, Code: code, Message: message } } };
}

function credentials(version: string, id: string): Answer {
  const [code, message] =
    id === ''
      ? ['NoIdInRequest', `Credentials${version}Request: No ID in the request`]
      : ['InvalidIdInRequest', `Credentials${version}Request: ID not found`];
  return { status: 400, json: { code, message, HTTPErrorCode: 400 } };
}
