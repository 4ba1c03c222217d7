/** A real agent's session with a control that says what a test tells it to, on a manual clock. */
import { createFakeControl, type FakeControl, type FakeControlOptions } from './fake-control.ts';
import { ManualClock } from './manual-clock.ts';
import { createMemorySessionState, type MemorySessionState } from './memory-session-state.ts';
import { recordingLogger, type LogLine } from './sessions-under-test.ts';
import { createSession, type AgentSession, type SessionOptions } from '#agent/session/connection.ts';
import type { HostFacts } from '#agent/session/handshake.ts';
import { seededRandom } from '#lib/random.ts';

export const hostFacts: HostFacts = {
  hostname: 'host-1',
  fingerprint: 'fingerprint-0001',
  versions: { agent: '0.1.0' },
  resources: { cpu: 2048, memoryMiB: 4096, takenPorts: [], gpuIds: [] },
  attributes: [],
  tags: [],
};

export interface AgentSessionUnderTest {
  readonly clock: ManualClock;
  readonly control: FakeControl;
  readonly state: MemorySessionState;
  readonly session: AgentSession;
  /** What was told to the runner, oldest first. */
  readonly assigned: string[][];
  readonly logLines: readonly LogLine[];
}

export interface AgentSessionTestOptions extends Partial<SessionOptions> {
  readonly onMessage?: FakeControlOptions['onMessage'];
  readonly memory?: MemorySessionState;
}

/** Not started yet. */
export function makeAgentSession(options: AgentSessionTestOptions = {}): AgentSessionUnderTest {
  const { onMessage, memory = createMemorySessionState(), ...overrides } = options;
  const clock = new ManualClock();
  const control = createFakeControl({ clock, ...(onMessage === undefined ? {} : { onMessage }) });
  const assigned: string[][] = [];
  const logLines: LogLine[] = [];
  const session = createSession({
    connect: control.network.connect,
    state: memory,
    cluster: 'default',
    incarnation: 'incarnation-0001',
    host: () => Promise.resolve(hostFacts),
    health: () => ({ status: 'OK' }),
    logs: {
      open() {
        throw new Error('no logs here');
      },
    },
    execs: { start: () => Promise.reject(new Error('no commands here')) },
    onAssigned: (taskArns) => void assigned.push([...taskArns]),
    clock,
    random: seededRandom(1),
    logger: recordingLogger(logLines),
    ...overrides,
  });
  return { clock, control, state: memory, session, assigned, logLines };
}

/** Started and welcomed. */
export async function serveAgentSession(options: AgentSessionTestOptions = {}): Promise<AgentSessionUnderTest> {
  const test = makeAgentSession(options);
  test.session.start();
  await test.clock.advance(0);
  if (test.session.state.name !== 'serving') throw new Error(`the session is ${test.session.state.name}`);
  return test;
}
