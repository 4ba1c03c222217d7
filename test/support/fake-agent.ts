/** An agent that says exactly what a test tells it to, against real sessions: for what a real agent would never do. */
import { createLinkedPair, type LinkedPair } from './linked-pair.ts';
import type { Clock } from '#lib/clock.ts';
import type { Link, LinkHandlers } from '#protocol/session/link.ts';
import {
  parseControlMessage,
  protocolVersion,
  type AgentMessage,
  type ControlMessage,
  type Hello,
  type TaskState,
} from '#protocol/session/messages.ts';

export function aHello(overrides: Partial<Hello> = {}): Hello {
  return {
    type: 'hello',
    protocolVersions: [protocolVersion],
    cluster: 'default',
    machineId: 'machine-0001',
    fingerprint: 'fingerprint-0001',
    incarnation: 'incarnation-0001',
    hostname: 'host-1',
    versions: { agent: '0.1.0', docker: '20.10.24' },
    resources: { cpu: 2048, memoryMiB: 4096, takenPorts: [], gpuIds: [] },
    attributes: [{ name: 'ecs.os-type', value: 'linux' }],
    tags: [],
    health: { status: 'OK' },
    assignmentNumber: 0,
    tasks: [],
    ...overrides,
  };
}

/** RUNNING, without word of its containers. */
export function aTaskState(overrides: Partial<TaskState> & Pick<TaskState, 'taskArn' | 'number'>): TaskState {
  return { lastStatus: 'RUNNING', healthStatus: 'UNKNOWN', containers: [], ...overrides };
}

export interface FakeAgent {
  readonly pair: LinkedPair;
  readonly received: readonly ControlMessage[];
  /** How the link ended, once it has. */
  readonly closed: { readonly code: number; readonly reason: string } | undefined;
  send(message: AgentMessage): void;
  sendText(text: string): void;
  last<Type extends ControlMessage['type']>(type: Type): Extract<ControlMessage, { type: Type }> | undefined;
  all<Type extends ControlMessage['type']>(type: Type): Extract<ControlMessage, { type: Type }>[];
  close(code: number, reason: string): void;
}

export interface FakeAgentOptions {
  readonly clock: Clock;
  readonly sessions: { accept(link: Link, remote: string): LinkHandlers };
  readonly remote?: string;
}

/** Opens a link and says nothing yet. */
export function connectFakeAgent({ clock, sessions, remote = 'fake agent' }: FakeAgentOptions): FakeAgent {
  const received: ControlMessage[] = [];
  let closed: FakeAgent['closed'];
  const pair = createLinkedPair({ clock });

  function all<Type extends ControlMessage['type']>(type: Type): Extract<ControlMessage, { type: Type }>[] {
    return received.filter((message): message is Extract<ControlMessage, { type: Type }> => message.type === type);
  }

  pair.attach({
    agent: {
      message(text) {
        const parsed = parseControlMessage(text);
        if (!parsed.ok) throw new Error(`control sent an invalid message: ${parsed.problem}`);
        received.push(parsed.message);
      },
      closed(code, reason) {
        closed = { code, reason };
      },
    },
    control: sessions.accept(pair.controlEnd, remote),
  });
  return {
    pair,
    received,
    get closed() {
      return closed;
    },
    send: (message) => pair.agentEnd.send(JSON.stringify(message)),
    sendText: (text) => pair.agentEnd.send(text),
    last: (type) => all(type).at(-1),
    all,
    close: (code, reason) => pair.agentEnd.close(code, reason),
  };
}
