/** The process of the simulated agents: does what its parent asks over the channel between them, and ends with it. */
import { connectSimulatedAgent, type Counters, type SimulatedAgent } from './simulated-agent.ts';

export type AgentsCommand =
  | { readonly kind: 'connect'; readonly url: string; readonly token: string; readonly count: number }
  | { readonly kind: 'counters' }
  | { readonly kind: 'fail'; readonly count: number };

export interface AgentsRequest {
  readonly id: number;
  readonly command: AgentsCommand;
}

export interface AgentsAnswer {
  readonly id: number;
  readonly counters: Counters;
}

/** Handshakes under way at once: as a fleet comes back after a power cut, without flooding the backlog of one listener. */
const handshakesAtOnce = 100;

const counters: Counters = { connected: 0, lost: {}, serviceTasks: 0, assigned: 0, heartbeatsSent: 0 };
let agents: SimulatedAgent[] = [];

async function connect({ url, token, count }: Extract<AgentsCommand, { kind: 'connect' }>): Promise<void> {
  let next = 0;
  async function connectSome(): Promise<void> {
    while (next < count) {
      const agent = connectSimulatedAgent({ url, token, index: next++, counters });
      agents.push(agent);
      await agent.ready;
    }
  }
  await Promise.all(Array.from({ length: handshakesAtOnce }, connectSome));
}

async function run(command: AgentsCommand): Promise<void> {
  switch (command.kind) {
    case 'connect':
      return connect(command);
    case 'counters':
      return;
    case 'fail':
      for (const agent of agents.slice(0, command.count)) agent.fail();
      agents = agents.slice(command.count);
      return;
  }
}

process.on('message', (request: AgentsRequest) => {
  void run(request.command).then(() => {
    const answer: AgentsAnswer = { id: request.id, counters };
    process.send?.(answer);
  });
});
process.on('disconnect', () => process.exit(0));
