/** An agent on the real session that reports at once that it did what it was asked to, without an engine. */
import { WebSocket } from 'ws';
import { parseControlMessage, protocolVersion, subprotocol, type TaskState } from '#protocol/session/messages.ts';

export interface ObedientAgent {
  /** Resolves once control has welcomed it. */
  ready: Promise<void>;
  /** Resolves when the session has ended. */
  closed: Promise<void>;
  close(): Promise<void>;
}

export function connectObedientAgent(options: { url: string; token: string; machineId: string }): ObedientAgent {
  const socket = new WebSocket(`${options.url.replace(/^http/, 'ws')}/agent`, subprotocol, {
    headers: { authorization: `Bearer ${options.token}` },
  });
  const ready = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  let number = 0;
  const send = (message: object): void => socket.send(JSON.stringify(message));

  function stateOf(task: {
    taskArn: string;
    desiredStatus: string;
    containers: readonly { name: string }[];
  }): TaskState {
    number += 1;
    const lastStatus = task.desiredStatus === 'RUNNING' ? 'RUNNING' : 'STOPPED';
    const at = Date.now();
    return {
      number,
      taskArn: task.taskArn,
      lastStatus,
      healthStatus: 'UNKNOWN',
      containers: task.containers.map(({ name }) => ({
        name,
        lastStatus,
        healthStatus: 'UNKNOWN',
        networkBindings: [],
        ...(lastStatus === 'STOPPED' ? { exitCode: 0 } : { runtimeId: `fake-${number}` }),
      })),
      ...(lastStatus === 'STOPPED' ? { stoppedAt: at } : { startedAt: at }),
    };
  }

  socket.on('open', () => {
    send({
      type: 'hello',
      protocolVersions: [protocolVersion],
      cluster: 'default',
      machineId: options.machineId,
      fingerprint: `fingerprint of ${options.machineId}`,
      incarnation: 'incarnation-1',
      hostname: options.machineId,
      versions: { agent: '0.1.0', docker: '20.10.24' },
      resources: { cpu: 8192, memoryMiB: 16_384, takenPorts: [], gpuIds: [] },
      attributes: [{ name: 'ecs.os-type', value: 'linux' }],
      tags: [],
      health: { status: 'OK' },
      assignmentNumber: 0,
      tasks: [],
    });
  });
  socket.on('message', (data) => {
    const parsed = parseControlMessage(String(data));
    if (!parsed.ok) throw new Error(`control sent an invalid message: ${parsed.problem}`);
    const { message } = parsed;
    if (message.type === 'welcome') ready.resolve();
    if (message.type === 'heartbeat') send({ type: 'heartbeat', sentAt: Date.now(), health: { status: 'OK' } });
    if (message.type !== 'assignments') return;
    send({ type: 'assignmentsAck', number: message.number });
    if (message.tasks.length > 0) send({ type: 'stateChanges', changes: message.tasks.map(stateOf) });
  });
  socket.on('error', (error) => ready.reject(error));
  socket.on('close', () => closed.resolve());
  return {
    ready: ready.promise,
    closed: closed.promise,
    async close() {
      socket.close();
      await closed.promise;
    },
  };
}
