/** The engine's event stream: one JSON object per line, of containers only, without the exec_* noise that health checks make. */
import { z } from 'zod';
import type { EngineEvent } from './container-engine.ts';

type Action = EngineEvent['action'];

/** Ours by the engine's name. `health_status: healthy` carries its value behind the colon. */
const actions: Readonly<Record<string, Action>> = {
  create: 'create',
  start: 'start',
  die: 'die',
  oom: 'oom',
  health_status: 'health',
  destroy: 'destroy',
  stop: 'stop',
  kill: 'kill',
  rename: 'rename',
  restart: 'restart',
  pause: 'pause',
  unpause: 'unpause',
};

/** What the engine is asked to send. */
export const watchedEvents: readonly string[] = Object.keys(actions);

const RawEvent = z.object({
  Type: z.string(),
  Action: z.string(),
  Actor: z.object({ ID: z.string(), Attributes: z.record(z.string(), z.string()).nullish() }),
  time: z.number(),
  timeNano: z.number().optional(),
});

/** Attributes that are facts of the event; all others are the container's labels. */
const factNames = new Set(['name', 'image', 'exitCode', 'signal', 'oldName', 'execID', 'execDuration']);

/** Undefined for a line that says nothing we watch, or that is not understood: a hint less, the next full inspection sees all. */
export function eventOf(line: string): EngineEvent | undefined {
  const raw = parse(line);
  if (raw === undefined || raw.Type !== 'container') return undefined;
  const [word = '', detail] = raw.Action.split(': ');
  const action = actions[word];
  if (action === undefined) return undefined;
  const attributes = raw.Actor.Attributes ?? {};
  const labels = Object.fromEntries(Object.entries(attributes).filter(([name]) => !factNames.has(name)));
  const exitCode = attributes['exitCode'] === undefined ? undefined : Number(attributes['exitCode']);
  const said = detail ?? attributes['signal'];
  return {
    action,
    containerId: raw.Actor.ID,
    containerName: attributes['name'] ?? '',
    labels,
    at: raw.timeNano === undefined ? raw.time * 1000 : Math.floor(raw.timeNano / 1_000_000),
    ...(exitCode !== undefined && Number.isInteger(exitCode) && { exitCode }),
    ...(said !== undefined && { detail: said }),
  };
}

function parse(line: string): z.infer<typeof RawEvent> | undefined {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return RawEvent.safeParse(json).data;
}
