/** An HTTP GET that ends by itself: by Ctrl-C, or when time is up. */
import { TimeoutError } from '#lib/errors.ts';
import type { CliContext } from './context.ts';

export async function fetchWithin(context: CliContext, url: string, ms: number): Promise<Response> {
  const expiry = new AbortController();
  const timer = context.clock.after(ms, () => expiry.abort(new TimeoutError(`GET ${url}`, ms)));
  try {
    return await fetch(url, { signal: AbortSignal.any([context.signal, expiry.signal]) });
  } finally {
    timer.cancel();
  }
}
