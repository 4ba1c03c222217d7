/** A control that says exactly what a test tells it to, against a real agent's session. */
import { createLinkNetwork, type LinkNetwork } from './linked-pair.ts';
import type { Clock } from '#lib/clock.ts';
import type { Link } from '#protocol/session/link.ts';
import {
  parseAgentMessage,
  protocolVersion,
  type AgentMessage,
  type Assignment,
  type ControlMessage,
  type Welcome,
} from '#protocol/session/messages.ts';

export function aWelcome(overrides: Partial<Welcome> = {}): Welcome {
  return {
    type: 'welcome',
    protocolVersion,
    sessionId: 'session-1',
    containerInstanceArn: 'arn:aws:ecs:us-east-1:000000000000:container-instance/default/0001',
    cluster: 'default',
    region: 'us-east-1',
    accountId: '000000000000',
    heartbeatIntervalMs: 10_000,
    ...overrides,
  };
}

export function anAssignment(overrides: Partial<Assignment> = {}): Assignment {
  return {
    taskArn: 'arn:aws:ecs:us-east-1:000000000000:task/default/0001',
    clusterName: 'default',
    desiredStatus: 'RUNNING',
    taskDefinitionArn: 'arn:aws:ecs:us-east-1:000000000000:task-definition/web:1',
    family: 'web',
    revision: 1,
    group: 'family:web',
    launchType: 'EC2',
    gpuIds: [],
    createdAt: 0,
    containers: [{ name: 'main', containerArn: 'arn:aws:ecs:us-east-1:000000000000:container/default/0001/1' }],
    overrides: {},
    ...overrides,
  };
}

export interface FakeControl {
  readonly network: LinkNetwork;
  /** From every session, oldest first. */
  readonly received: readonly AgentMessage[];
  /** How the agent ended its links. */
  readonly closures: readonly { readonly code: number; readonly reason: string }[];
  /** To the newest session. */
  send(message: ControlMessage): void;
  sendText(text: string): void;
  close(code: number, reason: string): void;
  last<Type extends AgentMessage['type']>(type: Type): Extract<AgentMessage, { type: Type }> | undefined;
  all<Type extends AgentMessage['type']>(type: Type): Extract<AgentMessage, { type: Type }>[];
}

export interface FakeControlOptions {
  readonly clock: Clock;
  /** Called with each message; answers a hello with a welcome by default. */
  onMessage?(message: AgentMessage, control: FakeControl): void;
}

export function createFakeControl({ clock, onMessage = welcomeEveryone }: FakeControlOptions): FakeControl {
  const received: AgentMessage[] = [];
  const closures: { code: number; reason: string }[] = [];
  let link: Link | undefined;

  function all<Type extends AgentMessage['type']>(type: Type): Extract<AgentMessage, { type: Type }>[] {
    return received.filter((message): message is Extract<AgentMessage, { type: Type }> => message.type === type);
  }

  const network = createLinkNetwork({
    clock,
    listener: () => (newLink) => {
      link = newLink;
      return {
        message(text) {
          const parsed = parseAgentMessage(text);
          if (!parsed.ok) throw new Error(`the agent sent an invalid message: ${parsed.problem}`);
          received.push(parsed.message);
          onMessage(parsed.message, control);
        },
        closed: (code, reason) => void closures.push({ code, reason }),
      };
    },
  });
  const control: FakeControl = {
    network,
    received,
    closures,
    send: (message) => link?.send(JSON.stringify(message)),
    sendText: (text) => link?.send(text),
    close: (code, reason) => link?.close(code, reason),
    last: (type) => all(type).at(-1),
    all,
  };
  return control;
}

export function welcomeEveryone(message: AgentMessage, control: Pick<FakeControl, 'send'>): void {
  if (message.type === 'hello') control.send(aWelcome());
}
