/** The opening words: what the agent says of itself, and what it makes of the welcome. Pure. */
import { closeCodes } from '#protocol/session/close-codes.ts';
import { protocolVersion, type ControlMessage, type Hello, type Welcome } from '#protocol/session/messages.ts';
import type { SessionState } from './session-state.ts';

/** Facts of the machine, looked up at each attempt. Limits as in `Hello`. */
export type HostFacts = Pick<
  Hello,
  'hostname' | 'fingerprint' | 'versions' | 'resources' | 'attributes' | 'tags' | 'backFromShutdown'
>;

export interface HelloRequest {
  readonly cluster: string;
  /** New for each start of the agent's process. */
  readonly incarnation: string;
  readonly host: HostFacts;
  readonly health: Hello['health'];
  readonly state: Pick<SessionState, 'identity' | 'assignmentNumber' | 'knownTasks'>;
}

/** Tasks that have ended are left out: control hears of them through state changes, and an assignment of one changes nothing. */
export function makeHello({ cluster, incarnation, host, health, state }: HelloRequest): Hello {
  const tasks = state.knownTasks().filter(({ ended }) => !ended);
  return {
    type: 'hello',
    protocolVersions: [protocolVersion],
    cluster,
    ...state.identity(),
    incarnation,
    ...host,
    health,
    assignmentNumber: state.assignmentNumber(),
    tasks: tasks.map(({ taskArn, desiredStatus, assignmentNumber }) => ({ taskArn, desiredStatus, assignmentNumber })),
  };
}

export type Greeting =
  | { readonly kind: 'welcome'; readonly welcome: Welcome }
  | { readonly kind: 'refused'; readonly code: number; readonly reason: string };

export function readGreeting(message: ControlMessage): Greeting {
  if (message.type !== 'welcome') {
    return { kind: 'refused', code: closeCodes.invalidMessage, reason: `${message.type} before welcome` };
  }
  if (message.protocolVersion !== protocolVersion) {
    const reason = `control chose version ${message.protocolVersion}; the agent speaks ${protocolVersion}`;
    return { kind: 'refused', code: closeCodes.versionMismatch, reason };
  }
  return { kind: 'welcome', welcome: message };
}
