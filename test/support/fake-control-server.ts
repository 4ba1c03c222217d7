/**
 * A control end on a real WebSocket for tests of a real agent process: hands out tasks, acknowledges what it is told and remembers it, and can go away
 * and come back. Ended tasks are handed out no more, as control does it.
 */
import { WebSocketServer, type WebSocket } from 'ws';
import { deadline, systemClock } from '#lib/clock.ts';
import { systemIds } from '#lib/ids.ts';
import type { TaskDefinitionBody } from '#model/task-definition.ts';
import {
  parseAgentMessage,
  type Assignment,
  type ControlMessage,
  type Hello,
  type TaskState,
} from '#protocol/session/messages.ts';
import { anAssignment, aWelcome } from './fake-control.ts';

export interface FakeControlServer {
  /** Where agents connect. */
  readonly url: string;
  /** Assigns a task; its ARN. */
  run(definition: Partial<TaskDefinitionBody> & Pick<TaskDefinitionBody, 'containerDefinitions'>): string;
  stop(taskArn: string, reason?: string): void;
  /** All that was told of a task, in the order of arrival. */
  history(taskArn: string): readonly TaskState[];
  /** The same of all tasks. */
  readonly arrived: readonly TaskState[];
  /** The first state that is like this, now or later. */
  until(taskArn: string, wanted: (state: TaskState) => boolean, limitMs?: number): Promise<TaskState>;
  registrations(): number;
  /** Since the start, over all sessions. */
  heartbeats(): number;
  /** The first health of the machine that is like this, told from now on. */
  untilHealth(wanted: (health: Hello['health']) => boolean, limitMs?: number): Promise<Hello['health']>;
  /** From now on state changes are acknowledged, or are not. */
  acknowledges(does: boolean): void;
  /** Sessions break and nobody listens any more. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  close(): Promise<void>;
}

export interface FakeControlServerOptions {
  heartbeatIntervalMs?: number;
}

export async function startFakeControlServer(options: FakeControlServerOptions = {}): Promise<FakeControlServer> {
  const { heartbeatIntervalMs = 10_000 } = options;
  let server = await listen(0);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const { port } = address;

  const assignments = new Map<string, Assignment>();
  const definitions = new Map<string, TaskDefinitionBody>();
  const told = new Map<string, TaskState[]>();
  const arrived: TaskState[] = [];
  const watchers = new Set<() => void>();
  const healthWatchers = new Set<(health: Hello['health']) => void>();
  let socket: WebSocket | undefined;
  let number = 0;
  let registrations = 0;
  let heartbeats = 0;
  let acknowledging = true;

  function send(message: ControlMessage): void {
    socket?.send(JSON.stringify(message));
  }

  function sendAssignments(tasks: readonly Assignment[]): void {
    const wanted = new Set(tasks.map(({ taskDefinitionArn }) => taskDefinitionArn));
    const bodies = [...definitions].filter(([arn]) => wanted.has(arn)).map(([arn, body]) => [arn, { ...body }]);
    send({ type: 'assignments', number, tasks: [...tasks], definitions: Object.fromEntries(bodies) });
  }

  function live(): Assignment[] {
    return [...assignments.values()].filter(({ taskArn }) => told.get(taskArn)?.at(-1)?.lastStatus !== 'STOPPED');
  }

  function receive(text: string): void {
    const parsed = parseAgentMessage(text);
    if (!parsed.ok) throw new Error(`the agent sent nonsense: ${parsed.problem}`);
    const { message } = parsed;
    if (message.type === 'hello') {
      registrations += 1;
      send(aWelcome({ sessionId: `session-${registrations}`, heartbeatIntervalMs }));
      const tasks = live().map(({ taskArn, desiredStatus }) => ({
        taskArn,
        desiredStatus,
        stateChangeNumber: told.get(taskArn)?.at(-1)?.number ?? 0,
      }));
      send({ type: 'completeSet', number, tasks });
      sendAssignments(live());
    }
    if (message.type === 'heartbeat') {
      heartbeats += 1;
      send({ type: 'heartbeat', sentAt: systemClock.now() });
    }
    if (message.type === 'hello' || message.type === 'heartbeat') {
      for (const look of healthWatchers) look(message.health);
    }
    if (message.type !== 'stateChanges') return;
    arrived.push(...message.changes);
    for (const change of message.changes) told.set(change.taskArn, [...(told.get(change.taskArn) ?? []), change]);
    if (acknowledging) {
      send({
        type: 'stateAck',
        acks: message.changes.map(({ taskArn, number: change }) => ({ taskArn, number: change })),
      });
    }
    for (const look of watchers) look();
  }

  function serve(): void {
    server.on('connection', (newSocket) => {
      socket = newSocket;
      newSocket.on('message', (data: Buffer) => receive(data.toString('utf8')));
    });
  }

  async function goAway(): Promise<void> {
    for (const client of server.clients) client.terminate();
    await new Promise<void>((closed) => server.close(() => closed()));
  }

  serve();
  return {
    url: `ws://127.0.0.1:${port}/agent`,
    run(definition) {
      const id = systemIds.hex(32);
      const taskArn = `arn:aws:ecs:us-east-1:000000000000:task/default/${id}`;
      const family = definition.family ?? 'e2e';
      const taskDefinitionArn = `arn:aws:ecs:us-east-1:000000000000:task-definition/${family}-${id}:1`;
      const containers = definition.containerDefinitions.map(({ name }) => ({
        name,
        containerArn: `${taskArn}/${name}`,
      }));
      const assignment = anAssignment({ taskArn, taskDefinitionArn, family, containers });
      definitions.set(taskDefinitionArn, { family, ...definition });
      assignments.set(taskArn, assignment);
      number += 1;
      sendAssignments([assignment]);
      return taskArn;
    },
    stop(taskArn, reason = 'Task stopped by user') {
      const assignment = assignments.get(taskArn);
      if (assignment === undefined) throw new Error(`no task ${taskArn}`);
      const stopped: Assignment = {
        ...assignment,
        desiredStatus: 'STOPPED',
        stop: { stopCode: 'UserInitiated', reason },
      };
      assignments.set(taskArn, stopped);
      number += 1;
      sendAssignments([stopped]);
    },
    history: (taskArn) => told.get(taskArn) ?? [],
    arrived,
    async until(taskArn, wanted, limitMs = 30_000) {
      const found = Promise.withResolvers<TaskState>();
      const look = (): void => {
        const state = told.get(taskArn)?.find(wanted);
        if (state !== undefined) found.resolve(state);
      };
      watchers.add(look);
      look();
      try {
        return await deadline(
          systemClock,
          limitMs,
          `task state (told: ${JSON.stringify(told.get(taskArn))})`,
          found.promise,
        );
      } finally {
        watchers.delete(look);
      }
    },
    registrations: () => registrations,
    heartbeats: () => heartbeats,
    async untilHealth(wanted, limitMs = 30_000) {
      const found = Promise.withResolvers<Hello['health']>();
      const look = (health: Hello['health']): void => void (wanted(health) && found.resolve(health));
      healthWatchers.add(look);
      try {
        return await deadline(systemClock, limitMs, 'such a health of the machine', found.promise);
      } finally {
        healthWatchers.delete(look);
      }
    },
    acknowledges(does) {
      acknowledging = does;
    },
    goAway,
    async comeBack() {
      server = await listen(port);
      serve();
    },
    close: goAway,
  };
}

async function listen(port: number): Promise<WebSocketServer> {
  const server = new WebSocketServer({ host: '127.0.0.1', port, path: '/agent' });
  await new Promise((listening, failed) => server.once('listening', listening).once('error', failed));
  return server;
}
