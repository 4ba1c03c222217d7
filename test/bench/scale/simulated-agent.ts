/**
 * One agent without a host: it speaks the real session and reports at once that it did what it was asked to, so that what is measured is control. Its
 * address on the loopback is its own group's, as a fleet has many: control bounds how often one address may knock.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import {
  protocolVersion,
  subprotocol,
  type AgentMessage,
  type Assignment,
  type ControlMessage,
} from '#protocol/session/messages.ts';

/** Agents that share one address; below what control lets an address knock in its window of 10 s. */
const agentsPerAddress = 50;
/** One message holds as many changes. */
const changesPerMessage = 100;
const reconnectMs = 1000;

export interface Counters {
  connected: number;
  /** Sessions that ended although nobody wanted them to, by close code. */
  lost: Record<string, number>;
  /** Tasks of services on connected agents whose RUNNING control has acknowledged, so that it is durable there. */
  serviceTasks: number;
  assigned: number;
  heartbeatsSent: number;
}

export interface SimulatedAgentOptions {
  readonly url: string;
  readonly token: string;
  readonly index: number;
  readonly counters: Counters;
}

export interface SimulatedAgent {
  /** Resolves once control has welcomed it for the first time. */
  readonly ready: Promise<void>;
  /** The machine loses its power: no goodbye, nothing comes back. */
  fail(): void;
  close(): Promise<void>;
}

interface AgentTask {
  desiredStatus: 'RUNNING' | 'STOPPED';
  assignmentNumber: number;
  /** Of its newest change. */
  number: number;
  acknowledged: boolean;
  ofService: boolean;
}

export function connectSimulatedAgent({ url, token, index, counters }: SimulatedAgentOptions): SimulatedAgent {
  const machineId = `machine-${String(index).padStart(6, '0')}`;
  const group = Math.floor(index / agentsPerAddress);
  const localAddress = `127.1.${Math.floor(group / 250)}.${1 + (group % 250)}`;
  const tasks = new Map<string, AgentTask>();
  const ready = Promise.withResolvers<void>();
  let containerInstanceArn: string | undefined;
  let head = 0;
  let line = 0;
  let gone = false;
  let connected = false;
  let heartbeat: NodeJS.Timeout | undefined;
  let socket = open();

  function send(message: AgentMessage): void {
    socket.send(JSON.stringify(message));
  }

  function open(): WebSocket {
    const next = new WebSocket(`${url.replace(/^http/, 'ws')}/agent`, subprotocol, {
      headers: { authorization: `Bearer ${token}` },
      localAddress,
      perMessageDeflate: false,
      skipUTF8Validation: true,
    });
    next.on('open', hello);
    next.on('message', (data: Buffer) => receive(JSON.parse(data.toString()) as ControlMessage));
    next.on('close', (code) => void closed(code));
    // The close that follows tells what there is to tell.
    next.on('error', () => undefined);
    return next;
  }

  function hello(): void {
    send({
      type: 'hello',
      protocolVersions: [protocolVersion],
      cluster: 'default',
      ...(containerInstanceArn === undefined ? {} : { containerInstanceArn }),
      machineId,
      fingerprint: `fingerprint of ${machineId}`,
      incarnation: 'incarnation-1',
      hostname: machineId,
      versions: { agent: '0.1.0', docker: '26.1.5' },
      resources: { cpu: 16_384, memoryMiB: 65_536, takenPorts: [{ port: 22, protocol: 'tcp' }], gpuIds: [] },
      attributes: [
        { name: 'ecs.os-type', value: 'linux' },
        { name: 'ecs.cpu-architecture', value: 'x86_64' },
        { name: 'ecs.availability-zone', value: `zone-${'abc'[index % 3]}` },
        { name: 'ecs.capability.task-eni' },
        { name: 'com.amazonaws.ecs.capability.docker-remote-api.1.41' },
        { name: 'com.amazonaws.ecs.capability.logging-driver.json-file' },
      ],
      tags: [],
      health: { status: 'OK' },
      assignmentNumber: head,
      tasks: [...tasks].map(([taskArn, { desiredStatus, assignmentNumber }]) => ({
        taskArn,
        desiredStatus,
        assignmentNumber,
      })),
    });
  }

  function receive(message: ControlMessage): void {
    switch (message.type) {
      case 'welcome':
        containerInstanceArn = message.containerInstanceArn;
        connected = true;
        counters.connected += 1;
        counters.serviceTasks += acknowledgedTasks();
        heartbeat = setTimeout(beat, message.heartbeatIntervalMs * Math.random(), message.heartbeatIntervalMs);
        ready.resolve();
        return;
      case 'assignments': {
        head = Math.max(head, message.number);
        send({ type: 'assignmentsAck', number: message.number });
        const arns = message.tasks.map((task) => assign(task, message.number));
        report(arns);
        return;
      }
      case 'stateAck':
        for (const { taskArn, number } of message.acks) acknowledge(taskArn, number);
        return;
      default:
        return;
    }
  }

  function assign({ taskArn, desiredStatus, serviceName }: Assignment, assignmentNumber: number): string {
    line += 1;
    const ofService = serviceName !== undefined;
    const known = tasks.get(taskArn);
    if (known === undefined) counters.assigned += 1;
    else if (known.acknowledged && ofService) counters.serviceTasks -= 1;
    tasks.set(taskArn, { desiredStatus, assignmentNumber, number: line, acknowledged: false, ofService });
    return taskArn;
  }

  function report(taskArns: readonly string[]): void {
    for (let start = 0; start < taskArns.length; start += changesPerMessage) {
      const changes = taskArns.slice(start, start + changesPerMessage).map(changeOf);
      send({ type: 'stateChanges', changes });
    }
  }

  function changeOf(taskArn: string) {
    const { desiredStatus, number } = tasks.get(taskArn) ?? { desiredStatus: 'STOPPED' as const, number: 0 };
    const at = Date.now();
    const common = {
      number,
      taskArn,
      lastStatus: desiredStatus,
      healthStatus: 'UNKNOWN' as const,
      pullStartedAt: at,
      pullStoppedAt: at,
      startedAt: at,
    };
    const container = { name: 'main', healthStatus: 'UNKNOWN' as const, networkBindings: [] };
    if (desiredStatus === 'STOPPED') {
      return {
        ...common,
        stoppedAt: at,
        containers: [{ ...container, lastStatus: 'STOPPED' as const, exitCode: 0 }],
      };
    }
    const runtimeId = number.toString(16).padStart(64, '0');
    return { ...common, containers: [{ ...container, lastStatus: 'RUNNING' as const, runtimeId }] };
  }

  function acknowledge(taskArn: string, number: number): void {
    const task = tasks.get(taskArn);
    if (task === undefined || task.number !== number || task.acknowledged) return;
    if (task.desiredStatus === 'STOPPED') {
      tasks.delete(taskArn);
      return;
    }
    task.acknowledged = true;
    if (task.ofService) counters.serviceTasks += 1;
  }

  function beat(intervalMs: number): void {
    send({ type: 'heartbeat', sentAt: Date.now(), health: { status: 'OK' } });
    counters.heartbeatsSent += 1;
    heartbeat = setTimeout(beat, intervalMs, intervalMs);
  }

  function acknowledgedTasks(): number {
    let count = 0;
    for (const { acknowledged, ofService } of tasks.values()) if (acknowledged && ofService) count += 1;
    return count;
  }

  async function closed(code: number): Promise<void> {
    clearTimeout(heartbeat);
    if (connected) {
      connected = false;
      counters.connected -= 1;
      counters.serviceTasks -= acknowledgedTasks();
    }
    if (gone) return;
    counters.lost[code] = (counters.lost[code] ?? 0) + 1;
    await sleep(reconnectMs * (1 + Math.random()));
    if (!gone) socket = open();
  }

  return {
    ready: ready.promise,
    fail() {
      gone = true;
      socket.terminate();
    },
    async close() {
      gone = true;
      const done = new Promise((resolve) => socket.once('close', resolve));
      socket.terminate();
      await done;
    },
  };
}
