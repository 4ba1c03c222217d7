/** Files of the control service that this agent speaks to, over the connection that it trusts: TLS by control's own authorities, plain on the loopback. */
import type { IncomingMessage } from 'node:http';

export interface DownloadOptions {
  /** As the agent dials it: `wss://host:4567/agent` or `ws://127.0.0.1:4566/agent`. */
  readonly controlUrl: string;
  /** PEM; nothing else is trusted. Undefined on the loopback. */
  authorities(): readonly string[] | undefined;
}

/** Rejects with what the network says, or with the status when control has no such file. */
export async function* downloadFromControl(
  { controlUrl, authorities }: DownloadOptions,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const url = new URL(path, controlUrl.replace(/^ws/, 'http'));
  const answer = await request(url, authorities(), signal);
  if (answer.statusCode !== 200) {
    answer.destroy();
    throw new Error(`control answered ${answer.statusCode ?? 'nothing'} for ${url.pathname}`);
  }
  for await (const chunk of answer) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('a download is bytes');
    yield chunk;
  }
}

async function request(
  url: URL,
  authorities: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  // Loaded when they are used: an agent is seldom updated, and both are large.
  const answered = Promise.withResolvers<IncomingMessage>();
  const options = { signal, agent: false } as const;
  const sent =
    url.protocol === 'https:'
      ? (await import('node:https')).get(
          url,
          { ...options, ca: [...(authorities ?? [])], minVersion: 'TLSv1.3' },
          answered.resolve,
        )
      : (await import('node:http')).get(url, options, answered.resolve);
  sent.once('error', answered.reject);
  return answered.promise;
}
