/**
 * What the API has acknowledged, as a client remembers it (I10). A lost answer makes what was asked for uncertain until the next acknowledged
 * call about the same thing; the uncertain is not held against anybody.
 */
import { pick, type Random } from '#lib/random.ts';
import { defaultRealm, serviceArn } from '#model/arn.ts';
import type { StoreTransaction } from '#control/store/store.ts';
import type { CallOutcome } from '#test/support/simulated-control.ts';
import type { Rows, StepChanges } from './mirror.ts';
import { Violation } from './violation.ts';

interface Promised {
  readonly daemon: boolean;
  deleted: boolean;
  desiredCount: number | undefined;
  taskDefinition: string | undefined;
  /** An answer was lost: nothing is promised until the next one. */
  uncertain: boolean;
}

export interface SavedLedger {
  readonly definitions: ReadonlySet<string>;
  readonly everRegistered: ReadonlySet<string>;
  readonly services: ReadonlyMap<string, Promised>;
  readonly tasks: ReadonlySet<string>;
  readonly toldToStop: ReadonlySet<string>;
  readonly protections: ReadonlyMap<string, unknown>;
  readonly stoppedRollouts: ReadonlySet<string>;
}

interface ServiceRequest {
  readonly desiredCount?: number;
  readonly taskDefinition?: string;
  readonly schedulingStrategy?: string;
}

export interface Ledger {
  /** Of those that are wanted; all are by default. */
  someDefinition(random: Random, wanted?: (arn: string) => boolean): string | undefined;
  someService(random: Random): string | undefined;
  definitionCount(): number;
  isDaemon(serviceName: string): boolean;
  /** Answers its ARN when it was acknowledged. */
  registered(outcome: CallOutcome): string | undefined;
  deregistered(arn: string, outcome: CallOutcome): void;
  created(serviceName: string, request: ServiceRequest, outcome: CallOutcome): void;
  updated(serviceName: string, request: ServiceRequest, outcome: CallOutcome): void;
  deleted(serviceName: string, outcome: CallOutcome): void;
  /** A user stopped a rollout: it does not complete any more. */
  rolloutStopped(serviceName: string, deploymentId: string, outcome: CallOutcome): void;
  ran(outcome: CallOutcome): void;
  stopped(taskArn: string, outcome: CallOutcome): void;
  protectionChanged(outcome: CallOutcome): void;
  /** Somebody asks for it; from now on it may happen, whatever the answer is. */
  deregistering(containerInstanceArn: string): void;
  mayBeDeregistered(containerInstanceArn: string): boolean;
  /** Throws unless the rows keep every promise that is new, or about a row that changed. */
  check(rows: Rows, changes: StepChanges | undefined): void;
  /** What was promised up to now; when that is given back, nothing later was ever promised. */
  save(): SavedLedger;
  restore(saved: SavedLedger): void;
  /** The same for what the rows do not show. */
  checkDefinitions(tx: StoreTransaction): Promise<void>;
}

export function createLedger(): Ledger {
  const definitions = new Set<string>();
  const everRegistered = new Set<string>();
  const services = new Map<string, Promised>();
  const tasks = new Set<string>();
  const toldToStop = new Set<string>();
  /** Until when, in seconds, as it was answered; undefined: not any more. */
  const protections = new Map<string, unknown>();
  /** Told at the time of the last check, so that only rows that were there may be gone for their age. */
  const seen = new Set<string>();
  const deregistered = new Set<string>();
  const stoppedRollouts = new Set<string>();
  /** What was promised since the last check. */
  const newServices = new Set<string>();
  const newTasks = new Set<string>();

  function succeeded(outcome: CallOutcome): Record<string, unknown> | undefined {
    return outcome.kind === 'answered' && outcome.answer.status === 200 ? { ...outcome.answer.body } : undefined;
  }

  function checkService(serviceName: string, promised: Promised, rows: Rows): void {
    if (promised.uncertain) return;
    const row = rows.services.get(serviceArn(defaultRealm, 'default', serviceName));
    if (promised.deleted) {
      if (row?.status === 'ACTIVE') throw new Violation('I10', `service ${serviceName} was deleted and is ACTIVE`);
      return;
    }
    if (row?.status !== 'ACTIVE') {
      throw new Violation('I10', `service ${serviceName} was acknowledged and is ${row?.status ?? 'not there'}`);
    }
    for (const { id, rolloutState, stopRequest, rollbackOf } of row.deployments) {
      if (!stoppedRollouts.has(id) || rollbackOf !== undefined || rolloutState === 'FAILED') continue;
      if (stopRequest === undefined) throw new Violation('I10', `${id} of ${serviceName} was stopped and goes on`);
    }
    if (!promised.daemon && promised.desiredCount !== undefined && row.desiredCount !== promised.desiredCount) {
      const counts = `${row.desiredCount} tasks, not the acknowledged ${promised.desiredCount}`;
      throw new Violation('I10', `service ${serviceName} wants ${counts}`);
    }
    // A way back takes the service to an earlier definition until a user says otherwise.
    if (row.deployments.some(({ rollbackOf }) => rollbackOf !== undefined)) promised.taskDefinition = undefined;
    if (promised.taskDefinition !== undefined && row.taskDefinitionArn !== promised.taskDefinition) {
      const runs = `runs ${row.taskDefinitionArn}, not the acknowledged ${promised.taskDefinition}`;
      throw new Violation('I10', `service ${serviceName} ${runs}`);
    }
  }

  function checkTask(arn: string, rows: Rows): void {
    const task = rows.tasks.get(arn);
    if (task !== undefined) seen.add(arn);
    else if (tasks.has(arn) && !seen.has(arn)) {
      throw new Violation('I10', `${arn} was answered by RunTask and is not there`);
    }
    if (task === undefined) return;
    if (protections.has(arn)) {
      const expirationDate = protections.get(arn);
      const until = task.protectedUntil;
      const kept = expirationDate === undefined ? until === undefined : until === Number(expirationDate) * 1000;
      if (!kept) throw new Violation('I10', `${arn} is protected until ${until}, not as answered`);
    }
    if (toldToStop.has(arn) && task.desiredStatus === 'RUNNING') {
      throw new Violation('I10', `${arn} was stopped by a user and shall run`);
    }
  }

  return {
    someDefinition(random, wanted) {
      const all = wanted === undefined ? [...definitions] : [...definitions].filter(wanted);
      return all.length === 0 ? undefined : pick(random, all);
    },
    someService(random) {
      const names = [...services].filter(([, { deleted }]) => !deleted).map(([name]) => name);
      return names.length === 0 ? undefined : pick(random, names);
    },
    definitionCount: () => definitions.size,
    isDaemon: (serviceName) => services.get(serviceName)?.daemon ?? false,

    registered(outcome) {
      const arn = textIn(succeeded(outcome)?.['taskDefinition'], 'taskDefinitionArn');
      if (arn === undefined) return undefined;
      definitions.add(arn);
      everRegistered.add(arn);
      return arn;
    },
    deregistered(arn, outcome) {
      if (outcome.kind !== 'refused') definitions.delete(arn);
    },
    created(serviceName, { desiredCount, taskDefinition, schedulingStrategy }, outcome) {
      newServices.add(serviceName);
      const before = services.get(serviceName);
      if (outcome.kind === 'lost') {
        const daemon = schedulingStrategy === 'DAEMON';
        if (before === undefined) {
          services.set(serviceName, { daemon, deleted: false, desiredCount, taskDefinition, uncertain: true });
        } else before.uncertain = true;
      }
      if (succeeded(outcome) === undefined) return;
      const daemon = schedulingStrategy === 'DAEMON';
      services.set(serviceName, { daemon, deleted: false, desiredCount, taskDefinition, uncertain: false });
    },
    updated(serviceName, { desiredCount, taskDefinition }, outcome) {
      newServices.add(serviceName);
      const promised = services.get(serviceName);
      if (promised === undefined) return;
      if (outcome.kind === 'lost') promised.uncertain = true;
      if (succeeded(outcome) === undefined) return;
      // What this call did not set stays as uncertain as it was.
      if (promised.uncertain) Object.assign(promised, { desiredCount: undefined, taskDefinition: undefined });
      promised.uncertain = false;
      promised.deleted = false;
      promised.desiredCount = desiredCount ?? promised.desiredCount;
      promised.taskDefinition = taskDefinition ?? promised.taskDefinition;
    },
    deleted(serviceName, outcome) {
      newServices.add(serviceName);
      const promised = services.get(serviceName);
      if (promised === undefined) return;
      if (outcome.kind === 'lost') promised.uncertain = true;
      if (succeeded(outcome) === undefined) return;
      promised.deleted = true;
      promised.uncertain = false;
    },
    rolloutStopped(serviceName, deploymentId, outcome) {
      if (outcome.kind !== 'answered' || outcome.answer.status !== 200) return;
      stoppedRollouts.add(deploymentId);
      newServices.add(serviceName);
    },
    ran(outcome) {
      const answered = succeeded(outcome)?.['tasks'];
      if (!Array.isArray(answered)) return;
      for (const task of answered) {
        const arn = textIn(task, 'taskArn');
        if (arn === undefined) continue;
        tasks.add(arn);
        newTasks.add(arn);
      }
    },
    stopped(taskArn, outcome) {
      if (succeeded(outcome) === undefined) return;
      toldToStop.add(taskArn);
      newTasks.add(taskArn);
    },
    protectionChanged(outcome) {
      const answered = outcome.kind === 'lost' ? undefined : succeeded(outcome)?.['protectedTasks'];
      // What an unanswered call did nobody knows.
      if (outcome.kind === 'lost') protections.clear();
      if (!Array.isArray(answered)) return;
      for (const task of answered) {
        const arn = textIn(task, 'taskArn');
        if (arn === undefined) continue;
        protections.set(arn, Reflect.get(Object(task), 'expirationDate'));
        newTasks.add(arn);
      }
    },

    deregistering: (arn) => void deregistered.add(arn),
    mayBeDeregistered: (arn) => deregistered.has(arn),

    check(rows, changes) {
      for (const { before, after } of changes?.services ?? []) {
        const name = (before ?? after)?.serviceName;
        if (name !== undefined) newServices.add(name);
      }
      for (const { before, after } of changes?.tasks ?? []) {
        const arn = (before ?? after)?.taskArn;
        if (arn !== undefined) newTasks.add(arn);
      }
      for (const name of newServices) {
        const promised = services.get(name);
        if (promised !== undefined) checkService(name, promised, rows);
      }
      for (const arn of newTasks) checkTask(arn, rows);
      newServices.clear();
      newTasks.clear();
    },
    save: () => ({
      definitions: new Set(definitions),
      everRegistered: new Set(everRegistered),
      services: new Map([...services].map(([name, promised]) => [name, { ...promised }])),
      tasks: new Set(tasks),
      toldToStop: new Set(toldToStop),
      protections: new Map(protections),
      stoppedRollouts: new Set(stoppedRollouts),
    }),
    restore(saved) {
      putBack(definitions, saved.definitions);
      putBack(everRegistered, saved.everRegistered);
      putBack(tasks, saved.tasks);
      putBack(toldToStop, saved.toldToStop);
      putBack(stoppedRollouts, saved.stoppedRollouts);
      services.clear();
      for (const [name, promised] of saved.services) services.set(name, { ...promised });
      protections.clear();
      for (const [arn, until] of saved.protections) protections.set(arn, until);
    },
    async checkDefinitions(tx) {
      for (const arn of everRegistered) {
        const [family = '', revision = ''] = arn.slice(arn.lastIndexOf('/') + 1).split(':');
        if ((await tx.taskDefinitions.get(family, Number(revision))) === undefined) {
          throw new Violation('I10', `${arn} was registered and is not there`);
        }
      }
    },
  };
}

function putBack(set: Set<string>, saved: ReadonlySet<string>): void {
  set.clear();
  for (const value of saved) set.add(value);
}

function textIn(value: unknown, name: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const field: unknown = Reflect.get(value, name);
  return typeof field === 'string' ? field : undefined;
}
