/** What every handler of an operation gets, and what it is: parsed input in, the body of the answer out, or an EcsError thrown. */
import type { Clock } from '#lib/clock.ts';
import type { Ids } from '#lib/ids.ts';
import type { Random } from '#lib/random.ts';
import type { Realm } from '#model/arn.ts';
import type { InputOf, OperationName } from '#protocol/ecs/operations.ts';
import type { ReleaseSource } from '../sessions/agent-updates.ts';
import type { ExecBroker } from '../sessions/exec-broker.ts';
import type { Store } from '../store/store.ts';
import type { Principal } from './sigv4.ts';

export interface HandlerContext {
  readonly store: Store;
  readonly realm: Realm;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly execs: Pick<ExecBroker, 'grant'>;
  readonly principal: Principal;
  /** What agents can be updated to. */
  readonly release: ReleaseSource;
  /** Where the caller reaches us, e.g. `http://127.0.0.1:4566`. */
  readonly origin: string;
}

/** An answer is durable when the promise resolves. Whatever is thrown besides an EcsError is our fault and answered as such. */
export type Handler<Name extends OperationName> = (context: HandlerContext, input: InputOf<Name>) => Promise<object>;

export type Handlers<Name extends OperationName = OperationName> = { readonly [Key in Name]: Handler<Key> };
