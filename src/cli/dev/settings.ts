/** The environment of a development cluster's two daemons. What the user has exported wins, except for where state lives. */
import { join } from 'node:path';
import type { CliEnvironment } from '../config.ts';

export const defaultListen = '127.0.0.1:4566';

export interface DevSettings {
  endpoint: string;
  region: string;
  control: NodeJS.ProcessEnv;
  agent: NodeJS.ProcessEnv;
}

/** `own`: where control is to be, when that is not the user's to say; its agents are on other hosts then, and come over TLS. */
export function devSettings(environment: CliEnvironment, own?: { listen: string; tlsListen: string }): DevSettings {
  const inherited = environment.inherited;
  const listen = own?.listen ?? inherited['BERTH_LISTEN'] ?? defaultListen;
  const controlHome = join(environment.home, 'control');
  return {
    endpoint: `http://${listen}`,
    region: inherited['BERTH_REGION'] ?? 'us-east-1',
    control: {
      BERTH_HEALTHY_AFTER: '5',
      ...inherited,
      BERTH_LISTEN: listen,
      ...(own === undefined ? {} : { BERTH_TLS_LISTEN: own.tlsListen }),
      BERTH_HOME: controlHome,
    },
    agent: {
      // Images built on this machine have no registry to be pulled from.
      ECS_IMAGE_PULL_BEHAVIOR: 'prefer-cached',
      ...inherited,
      ...(own === undefined
        ? { BERTH_CONTROL_URL: `ws://${listen}/agent`, BERTH_AGENT_TOKEN_FILE: join(controlHome, 'agent-token') }
        : { BERTH_CONTROL_URL: `wss://${own.tlsListen}/agent` }),
      ECS_DATADIR: join(environment.home, 'agent'),
    },
  };
}
