/** The session over the journal that the agent really has, against real sessions of control. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { hostFacts } from '#test/support/agent-session-under-test.ts';
import { createLinkNetwork, type LinkNetwork } from '#test/support/linked-pair.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';
import { createSession, type AgentSession } from '#agent/session/connection.ts';
import { openJournal, type Journal } from '#agent/state/journal.ts';
import { silentLogger } from '#lib/logger.ts';
import { seededRandom } from '#lib/random.ts';

let control: SessionsUnderTest;
let network: LinkNetwork;
let journal: Journal;
let session: AgentSession;

beforeEach(async () => {
  control = await startSessions();
  const { clock } = control;
  journal = openJournal({ path: ':memory:', machineId: 'machine-0001', logger: silentLogger, now: clock.now() });
  network = createLinkNetwork({ clock, listener: () => control.sessions.accept });
  session = createSession({
    connect: network.connect,
    state: journal,
    cluster: 'default',
    incarnation: 'incarnation-0001',
    host: () => Promise.resolve(hostFacts),
    health: () => ({ status: 'OK' }),
    logs: {
      open() {
        throw new Error('no logs');
      },
    },
    execs: { start: () => Promise.reject(new Error('no commands here')) },
    onAssigned: () => undefined,
    clock,
    random: seededRandom(3),
    logger: silentLogger,
  });
  journal.subscribe({ reportable: session.stateChanged });
  session.start();
  await control.settle();
});

afterEach(async () => {
  session.stop();
  await control.clock.advance(1);
  await control.dispose();
  journal.close();
});

it('saves who it is and what it is given', async () => {
  const { taskArn } = await control.place();
  expect(journal.identity().containerInstanceArn).toBe((await control.instance()).containerInstanceArn);
  expect(journal.knownTasks()).toEqual([{ taskArn, desiredStatus: 'RUNNING', assignmentNumber: 1, ended: false }]);
  await control.requestStop(taskArn);
  expect(journal.knownTasks()).toMatchObject([{ taskArn, desiredStatus: 'STOPPED', assignmentNumber: 2 }]);
});

it('reports what is saved, once, and knows when control has it', async () => {
  const { taskArn } = await control.place();
  const [task] = journal.tasks();
  if (task === undefined) throw new Error('no task');
  journal.saveTask(task, { taskArn, lastStatus: 'RUNNING', healthStatus: 'UNKNOWN', containers: [] });
  await control.settle();
  expect((await control.task(taskArn)).lastStatus).toBe('RUNNING');
  expect(journal.isAcknowledged(taskArn)).toBe(true);
  expect(journal.pendingStateChanges(10)).toEqual([]);
});

it('stops a task that control gave up while the agent was away, after asking', async () => {
  const task = await control.place();
  network.unreachable = true;
  network.current?.cut();
  await control.settle();
  await control.store.write((tx) => tx.tasks.put({ ...task, desiredStatus: 'STOPPED', lastStatus: 'STOPPED' }));
  network.unreachable = false;
  await control.clock.advance(1000);
  await control.settle();
  expect(session.state.name).toBe('serving');
  expect(journal.knownTasks()).toMatchObject([{ desiredStatus: 'STOPPED', assignmentNumber: 2 }]);
});
