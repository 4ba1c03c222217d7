/** Requests to the local endpoints and who answers them: a table of paths with named parts. Pure, so that tests need no socket. */

export interface LocalRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** The address of the caller. */
  readonly peer: string;
  readonly body: string;
}

export type Answer =
  | { readonly status: number; readonly json: unknown }
  | { readonly status: number; readonly contentType: string; readonly text: string };

export interface RoutedRequest extends LocalRequest {
  /** The value of a named part. */
  part(name: string): string;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** `/v4/{id}/stats`: a part in braces stands for one segment that is not empty. A slash at the end of a request's path means nothing. */
  readonly path: string;
  answer(request: RoutedRequest): Answer | Promise<Answer>;
}

/** ecs-agent's errors are JSON strings. */
export function failure(status: number, message: string): Answer {
  return { status, json: message };
}

export function createRouter(routes: readonly Route[]): (request: LocalRequest) => Promise<Answer> {
  const table = routes.map((route) => ({ route, segments: segmentsOf(route.path) }));
  return async (request) => {
    const asked = segmentsOf(request.path);
    let allowed = false;
    for (const { route, segments } of table) {
      const parts = match(segments, asked);
      if (parts === undefined) continue;
      allowed = true;
      if (route.method !== request.method) continue;
      return route.answer({ ...request, part: (name) => parts.get(name) ?? '' });
    }
    if (allowed) return failure(405, `${request.method} is not allowed for ${request.path}`);
    return failure(404, `there is nothing at ${request.path}`);
  };
}

function segmentsOf(path: string): string[] {
  return path.replace(/^\/+|\/+$/g, '').split('/');
}

function match(segments: readonly string[], asked: readonly string[]): ReadonlyMap<string, string> | undefined {
  if (segments.length !== asked.length) return undefined;
  const parts = new Map<string, string>();
  for (const [index, segment] of segments.entries()) {
    const given = asked[index] ?? '';
    const name = /^\{(\w+)\}$/.exec(segment)?.[1];
    if (name === undefined && segment !== given) return undefined;
    if (name !== undefined && given === '') return undefined;
    if (name !== undefined) parts.set(name, given);
  }
  return parts;
}
