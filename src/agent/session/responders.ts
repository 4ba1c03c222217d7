/**
 * What the agent does about each message of a serving session. Everything is saved before it is acknowledged (S1) and before anybody else hears
 * of it. Responders throw what the journal throws; the session ends then, and control sends again.
 */
import type { Logger } from '#lib/logger.ts';
import type { AgentUpdateReport } from '#model/agent-update.ts';
import type { AgentMessage, ControlMessage } from '#protocol/session/messages.ts';
import type { GoingDownAnswer } from '#protocol/session/going-down.ts';
import type { UpdateAgent } from '#protocol/session/upgrade.ts';
import type { ExecStreams } from './exec-streams.ts';
import type { LogStreams } from './log-streams.ts';
import type { Outbox } from './outbox.ts';
import type { PrepullImages, PrepullOutcome } from '#protocol/session/prepull.ts';
import type { ProtectionRequests } from './protection-requests.ts';
import type { SessionState } from './session-state.ts';
import type { StopQuestions } from './stop-questions.ts';

export interface ResponderContext {
  readonly state: SessionState;
  readonly outbox: Outbox;
  readonly questions: StopQuestions;
  readonly logs: LogStreams;
  readonly protections: ProtectionRequests;
  /** Control's answer to a machine that goes down. */
  departed(answer: GoingDownAnswer): void;
  /** Control asks for a certificate by another authority. Must not throw. */
  renewIdentity(): void;
  /** Must not reject. */
  prepull(images: PrepullImages['images']): Promise<PrepullOutcome['outcome']>;
  /** Brings the agent another version; progress goes to `report`. Must not reject. */
  update(offered: UpdateAgent, report: (report: AgentUpdateReport) => void): Promise<void>;
  readonly execs: ExecStreams;
  readonly logger: Logger;
  send(message: AgentMessage): void;
  /** These tasks are new or shall stop; all of it is saved. */
  onAssigned(taskArns: readonly string[]): void;
}

type Responders = {
  readonly [Type in ControlMessage['type']]: (
    message: Extract<ControlMessage, { type: Type }>,
    context: ResponderContext,
  ) => void;
};

const responders: Responders = {
  /** A repetition; the one that counted came first. */
  welcome: () => undefined,

  heartbeat: () => undefined,

  completeSet({ number, tasks }, { state, outbox, questions, logger }) {
    state.compareStateChanges(tasks);
    outbox.wake();
    const listed = new Set(tasks.map(({ taskArn }) => taskArn));
    // A set says nothing about tasks that were assigned after it; newer messages may have overtaken it.
    const candidates = state
      .knownTasks()
      .filter(
        ({ desiredStatus, ended, assignmentNumber }) =>
          desiredStatus === 'RUNNING' && !ended && assignmentNumber <= number,
      )
      .map(({ taskArn }) => taskArn)
      .filter((taskArn) => !listed.has(taskArn));
    if (candidates.length > 0) logger.warn({ taskArns: candidates }, 'control does not list tasks that run; asking');
    questions.ask(number, candidates);
  },

  assignments({ number, tasks, definitions }, { state, send, onAssigned }) {
    state.saveAssignments({ number, tasks, definitions });
    send({ type: 'assignmentsAck', number });
    if (tasks.length > 0) onAssigned(tasks.map(({ taskArn }) => taskArn));
  },

  stopConfirm(message, { state, questions, logger, send, onAssigned }) {
    const taskArns = questions.answered(message);
    if (taskArns.length === 0) return;
    const { number } = message;
    if (number <= state.assignmentNumber()) {
      logger.warn({ number }, 'a stop confirmation is not newer than what is saved; it is ignored');
      return;
    }
    state.confirmStops(number, taskArns);
    send({ type: 'assignmentsAck', number });
    onAssigned(taskArns);
  },

  stateAck: (message, { outbox }) => outbox.acknowledged(message),

  logsOpen: (message, { logs }) => logs.open(message),
  logsCredit: (message, { logs }) => logs.credit(message),
  logsClose: (message, { logs }) => logs.close(message),

  prepull({ deploymentId, images }, { prepull, send }) {
    void prepull(images).then((outcome) => send({ type: 'prepullOutcome', deploymentId, outcome }));
  },

  renewIdentity: (_message, { renewIdentity }) => renewIdentity(),
  updateAgent(message, { update, send }) {
    void update(message, (report) => send({ type: 'agentUpdate', ...report }));
  },

  protectionAnswer: (message, { protections }) => protections.answered(message),
  goingDownAnswer: (message, { departed }) => departed(message),

  execOpen: (message, { execs }) => execs.open(message),
  execInput: (message, { execs }) => execs.input(message),
  execEndOfInput: (message, { execs }) => execs.endOfInput(message),
  execResize: (message, { execs }) => execs.resize(message),
  execCredit: (message, { execs }) => execs.credit(message),
  execClose: (message, { execs }) => execs.close(message),
};

export function respond<Type extends ControlMessage['type']>(
  message: Extract<ControlMessage, { type: Type }>,
  context: ResponderContext,
): void {
  const responder: Responders[Type] = responders[message.type as Type];
  responder(message, context);
}
