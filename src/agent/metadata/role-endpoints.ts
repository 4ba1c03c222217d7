/**
 * Endpoints for what tasks do not have yet: credentials of a role, faults that they may inject. Each answers what ecs-agent answers in that case.
 */
import type { AgentTask } from '../tasks/agent-task.ts';
import type { FoundContainer } from './endpoint-ids.ts';
import type { Answer, Route, RoutedRequest } from './routes.ts';

export function roleEndpointRoutes(find: (id: string) => FoundContainer | undefined): Route[] {
  function taskOf(request: RoutedRequest): AgentTask | undefined {
    return find(request.part('id'))?.task;
  }

  function fault(request: RoutedRequest): Answer {
    const task = taskOf(request);
    if (task === undefined) return { status: 404, json: { Error: 'unable to find a task for the request' } };
    const { taskArn } = task.assignment;
    return { status: 400, json: { Error: `enableFaultInjection is not enabled for task: ${taskArn}` } };
  }

  return [
    { method: 'POST', path: '/api/{id}/fault/v1/{kind}/{action}', answer: fault },
    { method: 'GET', path: '/v1/credentials', answer: ({ query }) => credentials('V1', query.get('id') ?? '') },
    { method: 'GET', path: '/v2/credentials', answer: () => credentials('V2', '') },
    { method: 'GET', path: '/v2/credentials/{id}', answer: ({ part }) => credentials('V2', part('id')) },
  ];
}

function credentials(version: string, id: string): Answer {
  const [code, message] =
    id === ''
      ? ['NoIdInRequest', `Credentials${version}Request: No ID in the request`]
      : ['InvalidIdInRequest', `Credentials${version}Request: ID not found`];
  return { status: 400, json: { code, message, HTTPErrorCode: 400 } };
}
