/**
 * The serving phase of a session: everything between the welcome and the end, with all that this phase owns (the line of assignments, pending
 * acknowledgements, the heartbeat, log streams, commands, work in the database). Two kinds of work run beside each other: the agent's reports, in the order in
 * which they came, and passes over the line of assignments, one at a time, which the registry's queue runs and repeats when they fail.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '#lib/clock.ts';
import { startHeartbeat } from '#lib/heartbeat.ts';
import type { Logger } from '#lib/logger.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import { isUnderWay, withOutcome, withPrepull } from '#model/prepull.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';
import type {
  AgentHeartbeat,
  AgentMessage,
  ControlMessage,
  Hello,
  LogsOpen,
  StateChanges,
  StopQuery,
} from '#protocol/session/messages.ts';
import type { PrepullOutcome } from '#protocol/session/prepull.ts';
import type { ProtectionReply, ProtectionRequest } from '#protocol/session/protection.ts';
import type { Telemetry } from '#protocol/session/telemetry.ts';
import type { Store } from '../store/store.ts';
import { createAcknowledgements } from './acknowledgements.ts';
import { createAgentUpdates, type ReleaseSource } from './agent-updates.ts';
import { lineOfHello, planOutgoing, readLine, type AssignmentLine, type DefinitionReader } from './assignments.ts';
import { writeConnectivity } from './connectivity.ts';
import { ExecError } from './exec-grants.ts';
import { createExecs, type ExecChannel, type ExecEvents, type ExecRequest } from './execs.ts';
import { createLogStreams, LogsError, type LogStream } from './logs.ts';
import { drainGoingDown } from './going-down.ts';
import { answerProtection } from './protection.ts';
import { healthOf } from './registration.ts';
import { writeStateChanges } from './state-changes.ts';
import { answerStopQuestion } from './stop-query.ts';

/** An agent that has not saved what it was sent by then is given up. */
const acknowledgementLimitMs = 30_000;
/** Reports of one agent that wait for the database. It sends its next batch after the answer to the last, so a well-behaved one has a few. */
const maximumWaitingReports = 64;

export interface ServingOptions {
  readonly containerInstanceArn: string;
  readonly hello: Hello;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly heartbeatIntervalMs: number;
  readonly readDefinition: DefinitionReader;
  send(message: ControlMessage): void;
  /** Ends the session; this phase is disposed of by then. */
  end(code: number, reason: string): void;
  /** Ends the session without a word to a peer that no longer answers. */
  giveUp(reason: string): void;
  readonly release: ReleaseSource;
  /** Takes what the agent's tasks use. Must not throw. */
  telemetry(message: Telemetry): void;
  /** Asks for a pass. */
  wake(): void;
}

export interface Serving {
  message(message: AgentMessage): void;
  /** Sends what is new. Rejects when the database is out of reach; nothing was sent then, and the pass may be repeated. */
  pass(): Promise<void>;
  openLogs(request: Omit<LogsOpen, 'type' | 'streamId' | 'credit'>): LogStream;
  /** Throws an ExecError when there are too many. */
  openExec(request: ExecRequest, events: ExecEvents): ExecChannel;
  /** Resolves when no report is being written. */
  settled(): Promise<void>;
  dispose(): void;
}

export function startServing(options: ServingOptions): Serving {
  const { containerInstanceArn, hello, store, clock, logger, send, end } = options;
  const acknowledgements = createAcknowledgements({
    clock,
    limitMs: acknowledgementLimitMs,
    onOverdue: (number) => end(closeCodes.heartbeatTimeout, `assignments ${number} were not acknowledged in time`),
  });
  const heartbeat = startHeartbeat({
    clock,
    intervalMs: options.heartbeatIntervalMs,
    beat: () => send({ type: 'heartbeat', sentAt: clock.now() }),
    onSilence: () => options.giveUp('the agent is silent'),
  });
  const logs = createLogStreams(send);
  const execs = createExecs(send);
  let line: AssignmentLine = lineOfHello(hello);
  /** Tasks the hello named and the complete set did not, with the number under which the agent got them. */
  let unlisted: ReadonlyMap<string, number> = new Map();
  let questions: StopQuery[] = [];
  const prepullsSent = new Set<string>();
  const updates = createAgentUpdates(options);
  /** As it stands in the row, or is about to; undefined when it could not be written, so that the next heartbeat is written whatever it says. */
  let health: Hello['health'] | undefined = hello.health;
  let reports: Promise<void> = Promise.resolve();
  let waitingReports = 0;
  let disposed = false;

  /** The agent repeats what was not answered, so a failure here is told and forgotten. */
  function enqueueReport(write: () => Promise<void>): void {
    waitingReports += 1;
    if (waitingReports > maximumWaitingReports) {
      end(closeCodes.slowReader, 'too many reports before the answers to the earlier ones');
      return;
    }
    reports = reports.then(async () => {
      try {
        if (!disposed) await write();
      } catch (error) {
        logger.error({ error }, 'a report of an agent could not be written');
      } finally {
        waitingReports -= 1;
      }
    });
  }

  async function writeChanges(message: StateChanges): Promise<void> {
    const now = clock.now();
    const answer = await store.write((tx) => writeStateChanges(tx, { containerInstanceArn, message, now }));
    for (const { taskArn, number, rejected } of answer.acks) {
      if (rejected !== undefined) logger.warn({ taskArn, number, rejected }, 'a state change was rejected');
    }
    if (!disposed) send(answer);
  }

  async function answerTask(message: ProtectionRequest): Promise<void> {
    let outcome: ProtectionReply;
    try {
      outcome = await answerProtection(store, { containerInstanceArn, message, now: clock.now() });
    } catch (error) {
      logger.error({ error, taskArn: message.taskArn }, 'the protection of a task could not be read or written');
      outcome = { kind: 'error', message: 'The control service could not do it; its log says why.' };
    }
    if (!disposed) send({ type: 'protectionAnswer', requestId: message.requestId, outcome });
  }

  async function answerGoingDown(): Promise<void> {
    const answer = await drainGoingDown(store, containerInstanceArn, clock.now());
    logger.info({ ...answer }, 'the machine goes down');
    if (!disposed) send(answer);
  }

  async function writePrepull({ deploymentId, outcome }: PrepullOutcome): Promise<void> {
    await store.write(async (tx) => {
      const instance = await tx.containerInstances.get(containerInstanceArn);
      const asked = instance?.prepulls?.find((prepull) => prepull.deploymentId === deploymentId);
      if (instance === undefined || asked === undefined) return;
      const told = withOutcome(asked, outcome);
      if (told === asked) return;
      if (outcome.kind === 'failed') logger.warn({ deploymentId, ...outcome }, 'images could not be pulled ahead');
      await tx.containerInstances.put({ ...instance, prepulls: withPrepull(instance.prepulls, told) });
    });
  }

  /** Each question once in a session, as long as nobody has told how it ended. */
  function sendPrepulls({ prepulls = [] }: ContainerInstance): void {
    for (const prepull of prepulls) {
      const { deploymentId, images, askedAt } = prepull;
      const question = `${deploymentId} ${askedAt}`;
      if (prepullsSent.has(question) || !isUnderWay(prepull, clock.now())) continue;
      prepullsSent.add(question);
      send({ type: 'prepull', deploymentId, images: [...images] });
    }
  }

  async function writeHealth(reported: Hello['health']): Promise<void> {
    try {
      await store.write(async (tx) => {
        const instance = await tx.containerInstances.get(containerInstanceArn);
        if (instance === undefined) return;
        const next = healthOf(reported, instance.health, clock.now());
        await tx.containerInstances.put({ ...instance, health: next, version: instance.version + 1 });
      });
    } catch (error) {
      // What was reported since has a write of its own to come.
      if (health === reported) health = undefined;
      throw error;
    }
  }

  function noteHealth({ health: reported }: AgentHeartbeat): void {
    if (isDeepStrictEqual(reported, health)) return;
    health = reported;
    enqueueReport(() => writeHealth(reported));
  }

  async function answerQuestion(question: StopQuery): Promise<void> {
    const { taskArns } = question;
    const answer = await store.write((tx) => answerStopQuestion(tx, { containerInstanceArn, taskArns, unlisted }));
    if (answer === undefined || disposed) return;
    const forgotten = answer.keep.filter(({ why }) => why === 'forgotten').map(({ taskArn }) => taskArn);
    if (forgotten.length > 0) {
      logger.error({ taskArns: forgotten }, 'tasks run that this database has forgotten; they are not stopped');
    }
    if (answer.stop.length > 0) {
      logger.warn({ taskArns: answer.stop }, 'tasks run that are over; they are told to stop');
      acknowledgements.sent(answer.number);
    }
    send({ type: 'stopConfirm', number: answer.number, asked: question.number, taskArns: [...answer.stop] });
  }

  async function answerQuestions(): Promise<void> {
    while (questions.length > 0) {
      const [question] = questions;
      if (question === undefined || disposed) return;
      await answerQuestion(question);
      questions = questions.slice(1);
    }
  }

  async function sendNews(): Promise<void> {
    const snapshot = await store.read((tx) => readLine(tx, containerInstanceArn, line, options.readDefinition));
    if (disposed) return;
    if (snapshot === undefined) {
      end(closeCodes.internalError, 'the container instance is not known any more');
      return;
    }
    if (snapshot.instance.status === 'INACTIVE') {
      end(closeCodes.deregistered, 'the container instance was deregistered');
      return;
    }
    if (!snapshot.instance.agentConnected) await repairConnectivity();
    const outgoing = planOutgoing(snapshot, line);
    line = outgoing.line;
    for (const message of outgoing.messages) {
      if (message.type === 'completeSet') {
        const listed = new Set(message.tasks.map(({ taskArn }) => taskArn));
        unlisted = new Map(
          hello.tasks
            .filter(({ taskArn }) => !listed.has(taskArn))
            .map(({ taskArn, assignmentNumber }) => [taskArn, assignmentNumber]),
        );
      } else {
        acknowledgements.sent(message.number);
      }
      send(message);
    }
    sendPrepulls(snapshot.instance);
    updates.sendDue(snapshot.instance);
  }

  /** The end of an earlier session may have been written after the registration of this one. */
  async function repairConnectivity(): Promise<void> {
    const now = clock.now();
    await store.write((tx) => writeConnectivity(tx, containerInstanceArn, { connected: !disposed, now }));
  }

  return {
    message(message) {
      heartbeat.heard();
      switch (message.type) {
        case 'hello':
          if (message.incarnation !== hello.incarnation) end(closeCodes.invalidMessage, 'a second hello');
          return;
        case 'assignmentsAck':
          acknowledgements.acknowledged(message.number);
          return;
        case 'stateChanges':
          enqueueReport(() => writeChanges(message));
          return;
        case 'stopQuery':
          if (questions.length >= maximumWaitingReports) {
            end(closeCodes.slowReader, 'too many stop queries before the answers to the earlier ones');
            return;
          }
          questions = [...questions, message];
          options.wake();
          return;
        case 'heartbeat':
          noteHealth(message);
          return;
        case 'logEntries':
          if (!logs.receive(message)) end(closeCodes.invalidMessage, 'logEntries: more than there was credit for');
          return;
        case 'prepullOutcome':
          enqueueReport(() => writePrepull(message));
          return;
        case 'agentUpdate':
          enqueueReport(() => updates.write(message));
          return;
        case 'protectionRequest':
          enqueueReport(() => answerTask(message));
          return;
        case 'goingDown':
          enqueueReport(answerGoingDown);
          return;
        case 'telemetry':
          options.telemetry(message);
          return;
        case 'execStarted':
        case 'execOutput':
        case 'execCredit':
        case 'execEnded':
          if (!execs.receive(message))
            end(closeCodes.invalidMessage, `${message.type}: more than there was credit for`);
          return;
      }
    },
    async pass() {
      if (disposed) return;
      await answerQuestions();
      if (!disposed) await sendNews();
    },
    openLogs: (request) => logs.open(request),
    openExec: (request, events) => execs.open(request, events),
    settled: () => reports,
    dispose() {
      disposed = true;
      heartbeat.stop();
      acknowledgements.dispose();
      logs.dispose(new LogsError('session-lost', 'the session with the agent ended'));
      execs.dispose(
        new ExecError('session-lost', 'the connection to the task’s agent was lost; the agent ends the command'),
      );
    },
  };
}
