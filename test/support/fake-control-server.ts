/** A control end on a real WebSocket for tests of a real agent process: hands out tasks, acknowledges everything, remembers what it was told. */
import { WebSocketServer, type WebSocket } from 'ws';
import { deadline, systemClock } from '#lib/clock.ts';
import { systemIds } from '#lib/ids.ts';
import type { TaskDefinitionBody } from '#model/task-definition.ts';
import { parseAgentMessage, type Assignment, type ControlMessage, type TaskState } from '#protocol/session/messages.ts';
import { anAssignment, aWelcome } from './fake-control.ts';

export interface FakeControlServer {
  /** Where agents connect. */
  readonly url: string;
  /** Assigns a task; its ARN. */
  run(definition: Partial<TaskDefinitionBody> & Pick<TaskDefinitionBody, 'containerDefinitions'>): string;
  stop(taskArn: string, reason?: string): void;
  /** All that was told of a task, in the order of arrival. */
  history(taskArn: string): readonly TaskState[];
  /** The first state that is like this, now or later. */
  until(taskArn: string, wanted: (state: TaskState) => boolean, limitMs?: number): Promise<TaskState>;
  registrations(): number;
  close(): Promise<void>;
}

export async function startFakeControlServer(): Promise<FakeControlServer> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/agent' });
  await new Promise((listening) => server.once('listening', listening));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');

  const assignments = new Map<string, Assignment>();
  const definitions = new Map<string, TaskDefinitionBody>();
  const told = new Map<string, TaskState[]>();
  const watchers = new Set<() => void>();
  let socket: WebSocket | undefined;
  let number = 0;
  let registrations = 0;

  function send(message: ControlMessage): void {
    socket?.send(JSON.stringify(message));
  }

  function sendAssignments(tasks: readonly Assignment[]): void {
    const bodies = [...definitions].map(([arn, body]) => [arn, { ...body }]);
    send({ type: 'assignments', number, tasks: [...tasks], definitions: Object.fromEntries(bodies) });
  }

  function receive(text: string): void {
    const parsed = parseAgentMessage(text);
    if (!parsed.ok) throw new Error(`the agent sent nonsense: ${parsed.problem}`);
    const { message } = parsed;
    if (message.type === 'hello') {
      registrations += 1;
      send(aWelcome({ sessionId: `session-${registrations}` }));
      const tasks = [...assignments.values()].map(({ taskArn, desiredStatus }) => ({
        taskArn,
        desiredStatus,
        stateChangeNumber: told.get(taskArn)?.at(-1)?.number ?? 0,
      }));
      send({ type: 'completeSet', number, tasks });
      sendAssignments([...assignments.values()]);
    }
    if (message.type !== 'stateChanges') return;
    for (const change of message.changes) told.set(change.taskArn, [...(told.get(change.taskArn) ?? []), change]);
    send({
      type: 'stateAck',
      acks: message.changes.map(({ taskArn, number: change }) => ({ taskArn, number: change })),
    });
    for (const look of watchers) look();
  }

  server.on('connection', (newSocket) => {
    socket = newSocket;
    newSocket.on('message', (data: Buffer) => receive(data.toString('utf8')));
  });

  return {
    url: `ws://127.0.0.1:${address.port}/agent`,
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
    close() {
      for (const client of server.clients) client.terminate();
      return new Promise((closed) => server.close(() => closed()));
    },
  };
}
