/**
 * The subprotocol `berth.agent.v1` between an agent and control: one JSON object per message, told apart by `type`. docs/session.md explains the
 * order of things. Numbers: control numbers what it asks of one instance (`number`, one line per instance, kept in the store); the agent numbers
 * state changes (one line per agent, kept in its journal). Every message may be repeated or overtaken without harm.
 */
import { z } from 'zod';
import { stopCodes } from '#model/task.ts';
import { parseText, type Parsed } from '../parse-text.ts';
import { execFromAgent, execFromControl } from './exec.ts';
import { RenewIdentity } from './identity.ts';
import { PrepullImages, PrepullOutcome } from './prepull.ts';
import { GoingDown, GoingDownAnswer } from './going-down.ts';
import { ProtectionAnswer, ProtectionRequest } from './protection.ts';
import { Telemetry } from './telemetry.ts';
import { AgentUpdateProgress, UpdateAgent } from './upgrade.ts';

export const subprotocol = 'berth.agent.v1';
export const protocolVersion = 1;

/** Longest message either side accepts, in bytes. Complete sets travel as references so that they stay far below it. */
export const maximumMessageBytes = 4 * 1024 * 1024;

const arn = z.string().min(1).max(2048);
const epochMs = z.number().int().nonnegative();
const lineNumber = z.number().int().nonnegative();
const desiredStatus = z.enum(['RUNNING', 'STOPPED']);
const stopCode = z.enum(stopCodes);
const healthStatus = z.enum(['HEALTHY', 'UNHEALTHY', 'UNKNOWN']);

const hostPort = z.object({ port: z.number().int().min(1).max(65535), protocol: z.enum(['tcp', 'udp']) });

const attribute = z.object({ name: z.string().min(1).max(256), value: z.string().max(256).exactOptional() });
const tag = z.object({ key: z.string().min(1).max(128), value: z.string().max(256).exactOptional() });

const instanceHealthStatus = z.enum(['OK', 'IMPAIRED', 'INSUFFICIENT_DATA', 'INITIALIZING']);

const instanceHealth = z.object({
  status: instanceHealthStatus,
  reason: z.string().max(1024).exactOptional(),
  /** Each check on its own; `status` and `reason` are of the worst. */
  details: z
    .array(
      z.object({
        type: z.string().min(1).max(64),
        status: instanceHealthStatus,
        reason: z.string().max(1024).exactOptional(),
      }),
    )
    .max(20)
    .exactOptional(),
});

/** What the agent runs, as a reference: enough to compare with control's complete set. */
const knownTask = z.object({ taskArn: arn, desiredStatus, assignmentNumber: lineNumber });

/** The part of a hello that every version of the protocol shares, to find out whether there is a common one. */
const HelloVersions = z.object({ type: z.literal('hello'), protocolVersions: z.array(z.number().int()) });

export const Hello = z.object({
  type: z.literal('hello'),
  protocolVersions: z.array(z.number().int()).min(1).max(16),
  cluster: z.string().min(1).max(255),
  /** Absent at the very first registration. */
  containerInstanceArn: arn.exactOptional(),
  /** Made once, kept in the agent's journal. */
  machineId: z.string().min(8).max(128),
  /** As model/hardware.ts has it; tells a cloned disk from a reconnect. */
  fingerprint: z.string().min(8).max(128),
  /** New for each start of the agent process. */
  incarnation: z.string().min(8).max(64),
  hostname: z.string().max(253),
  versions: z.object({
    agent: z.string().max(64),
    agentHash: z.string().max(64).exactOptional(),
    docker: z.string().max(64).exactOptional(),
  }),
  resources: z.object({
    cpu: z.number().int().nonnegative(),
    memoryMiB: z.number().int().nonnegative(),
    takenPorts: z.array(hostPort).max(1000),
    gpuIds: z.array(z.string().max(128)).max(64),
  }),
  attributes: z.array(attribute).max(500),
  tags: z.array(tag).max(50),
  health: instanceHealth,
  /** The highest number of control's line that the agent has saved. */
  assignmentNumber: lineNumber,
  /** The machine was drained because it went down (`goingDown`), and is back. */
  backFromShutdown: z.boolean().exactOptional(),
  tasks: z.array(knownTask).max(20_000),
});
export type Hello = z.infer<typeof Hello>;

/** The messages up to `number` are saved. */
export const AssignmentsAck = z.object({ type: z.literal('assignmentsAck'), number: lineNumber });
export type AssignmentsAck = z.infer<typeof AssignmentsAck>;

const networkBinding = z.object({
  bindIP: z.string().max(64).exactOptional(),
  containerPort: z.number().int().exactOptional(),
  hostPort: z.number().int().exactOptional(),
  protocol: z.enum(['tcp', 'udp']).exactOptional(),
  containerPortRange: z.string().exactOptional(),
  hostPortRange: z.string().exactOptional(),
});

const containerState = z.object({
  name: z.string().min(1).max(255),
  lastStatus: z.enum(['PENDING', 'RUNNING', 'STOPPED']),
  runtimeId: z.string().max(255).exactOptional(),
  imageDigest: z.string().max(255).exactOptional(),
  exitCode: z.number().int().exactOptional(),
  reason: z.string().max(1024).exactOptional(),
  /** The last lines of a container that failed by itself. */
  lastOutput: z.array(z.string().max(4096)).max(20).exactOptional(),
  healthStatus,
  networkBindings: z.array(networkBinding).max(1000),
});
export type ContainerState = z.infer<typeof containerState>;

/** The whole observed state of one task at a moment: a later one says everything an earlier one said, so only the newest must arrive. */
const taskState = z.object({
  number: lineNumber,
  taskArn: arn,
  lastStatus: z.enum(['PENDING', 'RUNNING', 'STOPPING', 'STOPPED']),
  healthStatus,
  containers: z.array(containerState).max(100),
  /** Of a task with its own network, once it is known. */
  networkInterface: z.object({ privateIpv4Address: z.ipv4(), macAddress: z.string().max(64) }).exactOptional(),
  stopCode: stopCode.exactOptional(),
  stoppedReason: z.string().max(1024).exactOptional(),
  pullStartedAt: epochMs.exactOptional(),
  pullStoppedAt: epochMs.exactOptional(),
  startedAt: epochMs.exactOptional(),
  executionStoppedAt: epochMs.exactOptional(),
  /** For the reader of a trace: control dates the end of the task itself. */
  stoppedAt: epochMs.exactOptional(),
});
export type TaskState = z.infer<typeof taskState>;

export const StateChanges = z.object({ type: z.literal('stateChanges'), changes: z.array(taskState).min(1).max(100) });
export type StateChanges = z.infer<typeof StateChanges>;

/** Tasks the agent runs that control's complete set `number` lacks: shall they stop? */
export const StopQuery = z.object({
  type: z.literal('stopQuery'),
  number: lineNumber,
  taskArns: z.array(arn).min(1).max(1000),
});
export type StopQuery = z.infer<typeof StopQuery>;

export const AgentHeartbeat = z.object({ type: z.literal('heartbeat'), sentAt: epochMs, health: instanceHealth });
export type AgentHeartbeat = z.infer<typeof AgentHeartbeat>;

const logEntry = z.object({ stream: z.enum(['stdout', 'stderr']), at: epochMs, text: z.string() });
export type LogEntry = z.infer<typeof logEntry>;

export const LogEntries = z.object({
  type: z.literal('logEntries'),
  streamId: z.string().max(64),
  entries: z.array(logEntry).max(1000),
  /** Present on the last message of the stream. */
  ended: z.object({ error: z.string().max(1024).exactOptional() }).exactOptional(),
});
export type LogEntries = z.infer<typeof LogEntries>;

export const AgentMessage = z.discriminatedUnion('type', [
  Hello,
  AssignmentsAck,
  StateChanges,
  StopQuery,
  AgentHeartbeat,
  LogEntries,
  Telemetry,
  ProtectionRequest,
  GoingDown,
  PrepullOutcome,
  AgentUpdateProgress,
  ...execFromAgent,
]);
export type AgentMessage = z.infer<typeof AgentMessage>;

export const Welcome = z.object({
  type: z.literal('welcome'),
  protocolVersion: z.number().int(),
  sessionId: z.string(),
  containerInstanceArn: arn,
  cluster: z.string(),
  region: z.string(),
  accountId: z.string(),
  /** Send a heartbeat this often; the other side is dead after three silent intervals. */
  heartbeatIntervalMs: z.number().int().positive(),
});
export type Welcome = z.infer<typeof Welcome>;

/**
 * The complete set: every task control wants on or knows live on this instance, as of `number`. Assignments of what the hello lacked follow, the
 * last of them (perhaps an empty one) under the same number.
 */
export const CompleteSet = z.object({
  type: z.literal('completeSet'),
  number: lineNumber,
  /** `stateChangeNumber`: the agent's highest state change that the task's row reflects; too low or too high after a restore. */
  tasks: z.array(z.object({ taskArn: arn, desiredStatus, stateChangeNumber: lineNumber })).max(20_000),
});
export type CompleteSet = z.infer<typeof CompleteSet>;

const assignment = z.object({
  taskArn: arn,
  clusterName: z.string(),
  desiredStatus,
  taskDefinitionArn: arn,
  family: z.string(),
  revision: z.number().int(),
  group: z.string(),
  serviceName: z.string().exactOptional(),
  startedBy: z.string().exactOptional(),
  launchType: z.enum(['EC2', 'FARGATE', 'EXTERNAL']),
  gpuIds: z.array(z.string()),
  createdAt: epochMs,
  /** Why it shall stop, when desiredStatus is STOPPED: becomes the task's own stop code and reason unless it ended by itself before. */
  stop: z
    .object({
      stopCode,
      reason: z.string().max(1024),
    })
    .exactOptional(),
  /** `pinnedDigest`: run the image of this digest, whatever its tag means by now. */
  containers: z.array(
    z.object({ name: z.string(), containerArn: arn, pinnedDigest: z.string().max(255).exactOptional() }),
  ),
  /** `TaskOverride` of the model. */
  overrides: z.record(z.string(), z.unknown()),
});
export type Assignment = z.infer<typeof assignment>;

/**
 * An increment. `number` is at least that of each of its tasks, and the head of the line in the last message of a pass. `definitions` holds each
 * task definition body (`TaskDefinitionBody` of the model) once, by ARN.
 */
export const Assignments = z.object({
  type: z.literal('assignments'),
  number: lineNumber,
  tasks: z.array(assignment).max(200),
  definitions: z.record(z.string(), z.record(z.string(), z.unknown())),
});
export type Assignments = z.infer<typeof Assignments>;

/**
 * The answer to the StopQuery about complete set `asked`: the ones that shall stop (perhaps none). When there are any, `number` is newer than all
 * sent before, and the agent acknowledges it like assignments.
 */
export const StopConfirm = z.object({
  type: z.literal('stopConfirm'),
  number: lineNumber,
  asked: lineNumber,
  taskArns: z.array(arn),
});
export type StopConfirm = z.infer<typeof StopConfirm>;

/** State changes that are durable at control. `rejected` says a change can never be applied and must not be sent again. */
export const StateAck = z.object({
  type: z.literal('stateAck'),
  acks: z.array(z.object({ taskArn: arn, number: lineNumber, rejected: z.string().exactOptional() })),
});
export type StateAck = z.infer<typeof StateAck>;

export const ControlHeartbeat = z.object({ type: z.literal('heartbeat'), sentAt: epochMs });
export type ControlHeartbeat = z.infer<typeof ControlHeartbeat>;

export const LogsOpen = z.object({
  type: z.literal('logsOpen'),
  streamId: z.string().max(64),
  taskArn: arn,
  containerName: z.string(),
  follow: z.boolean(),
  tail: z.number().int().nonnegative().exactOptional(),
  sinceMs: epochMs.exactOptional(),
  /** Entries the agent may send before it must wait for more credit. */
  credit: z.number().int().positive(),
});
export type LogsOpen = z.infer<typeof LogsOpen>;
export const LogsCredit = z.object({
  type: z.literal('logsCredit'),
  streamId: z.string().max(64),
  credit: z.number().int().positive(),
});
export type LogsCredit = z.infer<typeof LogsCredit>;
export const LogsClose = z.object({ type: z.literal('logsClose'), streamId: z.string().max(64) });
export type LogsClose = z.infer<typeof LogsClose>;

export const ControlMessage = z.discriminatedUnion('type', [
  Welcome,
  CompleteSet,
  Assignments,
  StopConfirm,
  StateAck,
  ControlHeartbeat,
  LogsOpen,
  LogsCredit,
  LogsClose,
  ProtectionAnswer,
  GoingDownAnswer,
  PrepullImages,
  RenewIdentity,
  ...execFromControl,
  UpdateAgent,
]);
export type ControlMessage = z.infer<typeof ControlMessage>;

export function parseAgentMessage(text: string): Parsed<AgentMessage> {
  return parseText(AgentMessage, text);
}

export function parseControlMessage(text: string): Parsed<ControlMessage> {
  return parseText(ControlMessage, text);
}

/** The versions offered by a text that is a hello of any version; undefined when it is none. */
export function offeredVersions(text: string): number[] | undefined {
  const parsed = parseText(HelloVersions, text);
  return parsed.ok ? parsed.message.protocolVersions : undefined;
}
