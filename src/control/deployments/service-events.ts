/** Which service events are worth telling: the newest 100 are kept, and the same text is not told again within 6 hours unless resolved. */
import { maximumServiceEvents, type ServiceEvent } from '#model/service.ts';

const suppressedForMs = 6 * 60 * 60 * 1000;

/** Events after which an old complaint counts as new: something started, or all is well. */
const resolving = [/ has reached a steady state\.$/, / has started \d+ tasks: /];

/** `events` newest first. The same text as the newest event is always suppressed for a steady state, which says nothing new. */
export function isSuppressed(events: readonly ServiceEvent[], message: string, now: number): boolean {
  if (resolving[0]?.test(message) === true) return events[0]?.message === message;
  for (const event of events) {
    if (event.message === message) return now - event.createdAt < suppressedForMs;
    if (resolving.some((pattern) => pattern.test(event.message))) return false;
  }
  return false;
}

/** The list with the event in front and the oldest dropped; the list itself when the event is suppressed. */
export function withEvent(events: readonly ServiceEvent[], event: ServiceEvent): readonly ServiceEvent[] {
  if (isSuppressed(events, event.message, event.createdAt)) return events;
  return [event, ...events].slice(0, maximumServiceEvents);
}
