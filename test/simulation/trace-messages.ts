/** Calls of users and messages of the session in words, for the trace. */
import type { CallOutcome } from '#test/support/simulated-control.ts';
import type { Delivery } from '#test/support/simulated-network.ts';

type Described = readonly [what: string, about: readonly string[]];

export function describeCall(operation: string, body: object, outcome: CallOutcome): Described {
  const status = outcome.kind === 'answered' ? String(outcome.answer.status) : outcome.kind;
  const refused = outcome.kind === 'answered' && outcome.answer.status !== 200;
  const why = refused ? ` ${JSON.stringify(outcome.answer.body)}` : '';
  const text = JSON.stringify(body);
  return [`${operation} ${text} -> ${status}${why}`, [...servicesIn(body), ...tasksIn(text)]];
}

/** Undefined for heartbeats, which say nothing. */
export function describeDelivery({ host, direction, text, repeated }: Delivery): Described | undefined {
  const type = /"type":"(\w+)"/.exec(text)?.[1] ?? 'unknown';
  if (type === 'heartbeat') return undefined;
  return [`${direction} ${type}${repeated ? ' (again)' : ''} ${digest(text)}`, [host, ...tasksIn(text)]];
}

function servicesIn(body: object): string[] {
  return ['service', 'serviceName'].flatMap((name) => {
    const value: unknown = Reflect.get(body, name);
    return typeof value === 'string' ? [`service/${value}`] : [];
  });
}

function tasksIn(text: string): string[] {
  const ids = [...text.matchAll(/:task\/[^/"]+\/([0-9a-f]{8})/g)].map(([, id = '']) => `task/${id}`);
  return [...new Set(ids)];
}

function digest(text: string): string {
  return text.length <= 160 ? text : `${text.slice(0, 150)}… (${text.length} characters)`;
}
