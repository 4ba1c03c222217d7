/** What control says of whom it trusts, for the commands about machines and authorities. */
import { isIP } from 'node:net';
import { TrustDescription, trustPath } from '#protocol/trust/description.ts';
import type { CliContext } from './context.ts';
import { CliError } from './errors.ts';
import { answerOf, signedGet } from './signed-fetch.ts';

export async function describeTrust(context: CliContext): Promise<TrustDescription> {
  const response = await signedGet(context.endpoint(), trustPath, {}, context.signal);
  return TrustDescription.parse(await answerOf(response));
}

/** Where other machines reach control: `https://host:port`. Throws a CliError where it is reached from its own machine alone. */
export function controlUrl(context: CliContext, { tls }: TrustDescription, host: string | undefined): string {
  if (tls === undefined) {
    throw new CliError('this control service is reached from its own machine alone', {
      next: 'set BERTH_TLS_LISTEN=0.0.0.0:4567 for it, and start it again',
    });
  }
  const own = new URL(context.endpoint().url);
  const asked = host ?? (own.protocol === 'https:' ? own.hostname : (tls.given[0] ?? tls.names.find(isReachable)));
  if (asked === undefined) {
    throw new CliError('how machines reach control is not known', { next: 'say it: --host NAME' });
  }
  if (!tls.names.includes(asked.toLowerCase())) {
    throw new CliError(`control’s certificate does not name ${asked}`, {
      next: `add it to BERTH_TLS_NAMES of control; it names ${tls.names.join(', ')}`,
    });
  }
  return `https://${isIP(asked) === 6 ? `[${asked}]` : asked}:${tls.port}`;
}

/** An address that another machine may have a way to. */
function isReachable(name: string): boolean {
  return isIP(name) === 4 && !name.startsWith('127.');
}
