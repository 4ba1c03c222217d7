/** The command line in this process, whose requests an API of the test answers: the stock client, our API, and what the test has happen between polls. */
import { Readable } from 'node:stream';
import { ECSClient } from '@aws-sdk/client-ecs';
import { createContext } from '#cli/context.ts';
import { buildProgram } from '#cli/program.ts';
import type { Clock } from '#lib/clock.ts';
import { fakeTerminal, type FakeTerminal } from '#test/support/fake-terminal.ts';
import type { ApiWorld } from '../control/api/api-world.ts';

interface HttpRequest {
  headers: Record<string, string>;
  body?: unknown;
}

/** The stock client, whose requests are answered in this process. */
function clientOf(world: ApiWorld): ECSClient {
  return new ECSClient({
    endpoint: 'http://control.test',
    region: 'us-east-1',
    credentials: { accessKeyId: 'AKIATEST', secretAccessKey: 'secret' },
    requestHandler: {
      async handle({ headers, body }: HttpRequest) {
        const operation = headers['x-amz-target']?.split('.')[1] ?? '';
        const answer = await world.ask(operation, JSON.parse(String(body)));
        const bytes = Buffer.from(JSON.stringify(answer.body));
        return { response: { statusCode: answer.status, headers: {}, body: Readable.from([bytes]) } };
      },
    },
  });
}

export interface Running {
  terminal: FakeTerminal;
  done: Promise<unknown>;
}

/** Each time the command waits, `meanwhile` happens. */
export function berthIn(world: ApiWorld, meanwhile: () => Promise<void>, ...words: string[]): Running {
  const terminal = fakeTerminal();
  const { clock } = world;
  const waiting: Clock = {
    now: () => clock.now(),
    elapsed: () => clock.elapsed(),
    after: (ms, run) => clock.after(ms, run),
    async sleep() {
      await meanwhile();
      await clock.advance(400);
    },
  };
  const environment = { home: '/nowhere', root: '/nowhere', cluster: 'default', inherited: {}, isColorAllowed: false };
  const context = createContext({ environment, terminal, clock: waiting, signal: new AbortController().signal });
  context.ecs = () => clientOf(world);
  return { terminal, done: buildProgram(context, '1.2.3').parseAsync(words, { from: 'user' }) };
}
