/**
 * A service, its tasks and machines in memory: carries out decisions as the reconciler does, lets tests play the agents, and after each look
 * checks the numbered invariants of docs/invariants.md.
 */
import type { ServiceAction } from '#control/deployments/actions.ts';
import { decideService, type ServiceDecision } from '#control/deployments/decide-service.ts';
import { rolloutLimits } from '#control/deployments/limits.ts';
import { withNewDeployment, withRollback } from '#control/deployments/new-deployment.ts';
import { withEvent } from '#control/deployments/service-events.ts';
import type {
  AgentView,
  Balance,
  DaemonInstance,
  MissingImages,
  ServiceSnapshot,
  Unplaced,
} from '#control/deployments/snapshot.ts';
import { isAlive, isHealthy, isLive, isLost, isRunning, isUnhealthy } from '#control/deployments/task-health.ts';
import { seededRandom } from '#lib/random.ts';
import { defaultRealm, taskDefinitionArn } from '#model/arn.ts';
import { freshProgress, type Deployment } from '#model/deployment.ts';
import { askedAgain, prepullState, withOutcome, type Prepull } from '#model/prepull.ts';
import type { Service } from '#model/service.ts';
import { computedDesiredCount, taskSetsOf } from '#model/task-set.ts';
import { hasStopped, type Task } from '#model/task.ts';
import { aService, type ServiceOverrides } from '#test/support/builders/a-service.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { builtAt } from '#test/support/builders/unique.ts';

export interface WorldOptions {
  service?: ServiceOverrides;
  /** How many tasks the machines hold, STOPPING ones included. */
  capacity?: number;
  healthyAfterMs?: number;
  lostAfterMs?: number;
}

export class ServiceWorld {
  now = builtAt;
  service: Service;
  readonly tasks = new Map<string, Task>();
  readonly draining = new Set<string>();
  readonly healthChecked = new Set<string>();
  daemonInstances: DaemonInstance[] = [];
  /** Machines whose agents pull ahead, and how far they are; none by default. Those without a word have not been asked. */
  readonly prepulls = new Map<string, Prepull | undefined>();
  /** Machines whose agents were silent at some time: whether they are connected now, and since when. */
  readonly agents = new Map<string, AgentView>();
  /** What placement would say of the spread; a function of the state, as there. */
  balance: (world: ServiceWorld) => Balance | undefined = () => undefined;
  capacity: number;
  readonly healthyAfterMs: number;
  readonly lostAfterMs: number;
  readonly #random = seededRandom(1);
  #placed = 0;

  constructor({ service = {}, capacity = 1000, healthyAfterMs = 40_000, lostAfterMs = 60_000 }: WorldOptions = {}) {
    this.service = aService(service);
    this.capacity = capacity;
    this.healthyAfterMs = healthyAfterMs;
    this.lostAfterMs = lostAfterMs;
  }

  /** A service that has run for long: all tasks RUNNING, its deployment COMPLETED. */
  static steady(options: WorldOptions = {}): ServiceWorld {
    const world = new ServiceWorld(options);
    world.runEverything();
    world.passTime(60_000);
    must(world.primary.rolloutState === 'COMPLETED', 'the service did not reach its steady state');
    return world;
  }

  get primary(): Deployment {
    const primary = this.service.deployments.find(({ status }) => status === 'PRIMARY');
    if (primary === undefined) throw new Error('no PRIMARY deployment');
    return primary;
  }

  get messages(): string[] {
    return this.service.events.map(({ message }) => message);
  }

  alive(deployment?: Deployment): Task[] {
    return [...this.tasks.values()].filter(
      (task) => isAlive(task) && (deployment === undefined || task.deploymentId === deployment.id),
    );
  }

  /** As far as their agents can be heard. */
  pending(): Task[] {
    return this.alive().filter((task) => !isRunning(task) && this.#answers(task));
  }

  /** Lost ones that were asked to stop too, as far as their agents can be heard. */
  leaving(): Task[] {
    return [...this.tasks.values()].filter(
      (task) =>
        !hasStopped(task) && (isLost(task) ? task.desiredStatus === 'STOPPED' : !isAlive(task)) && this.#answers(task),
    );
  }

  lost(): Task[] {
    return [...this.tasks.values()].filter(isLost);
  }

  silence(machine: string): void {
    if (this.agents.get(machine)?.connected !== false) this.agents.set(machine, { connected: false, since: this.now });
  }

  answer(machine: string): void {
    if (this.agents.get(machine)?.connected === false) this.agents.set(machine, { connected: true, since: this.now });
  }

  #answers({ containerInstanceArn = '' }: Task): boolean {
    return this.agents.get(containerInstanceArn)?.connected !== false;
  }

  /** Changes the service and starts a deployment of the given revision. */
  deploy(revision: number): void {
    this.service = withNewDeployment(
      { ...this.service, taskDefinitionArn: taskDefinitionArn(defaultRealm, 'web', revision) },
      { now: this.now, random: this.#random },
    );
  }

  change(changes: Partial<Service>): void {
    this.service = { ...this.service, ...changes };
  }

  changeTask({ taskArn }: Task, changes: Partial<Task>): void {
    const task = this.tasks.get(taskArn);
    if (task !== undefined) this.tasks.set(taskArn, { ...task, ...changes });
  }

  run(task: Task): void {
    this.changeTask(task, { lastStatus: 'RUNNING', startedAt: this.now });
  }

  /** The task ends by itself. */
  end(task: Task, stoppedReason = 'Essential container in task exited'): void {
    this.changeTask(task, {
      stoppedReason,
      lastStatus: 'STOPPED',
      desiredStatus: 'STOPPED',
      stopCode: task.startedAt === undefined ? 'TaskFailedToStart' : 'EssentialContainerExited',
      stoppedAt: this.now,
    });
  }

  /** As StopServiceDeployment notes it; nothing when no rollout is under way. */
  requestStop(type: 'ROLLBACK' | 'ABORT'): void {
    const { rolloutState, rollbackOf, id } = this.primary;
    if (rolloutState !== 'IN_PROGRESS' || rollbackOf !== undefined) return;
    this.#deployments((list) =>
      list.map((each) => (each.id === id ? { ...each, stopRequest: { type, requestedAt: this.now } } : each)),
    );
  }

  protect({ taskArn }: Task, ms: number): void {
    const task = this.tasks.get(taskArn);
    if (task !== undefined) this.tasks.set(taskArn, { ...task, protectedUntil: this.now + ms });
  }

  /** Agents carry out everything that is asked until nothing is under way. Time stands still. */
  runEverything(): void {
    for (let round = 0; round < 200; round += 1) {
      const { changed } = this.look();
      if (!changed && this.pending().length + this.leaving().length === 0) return;
      for (const task of this.pending()) this.run(task);
      for (const task of this.leaving()) this.changeTask(task, { lastStatus: 'STOPPED', stoppedAt: this.now });
    }
    throw new Error('the service does not come to rest');
  }

  /** Lets time pass, looking again whenever a decision asked for it; agents carry everything out at once. */
  passTime(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      this.runEverything();
      const { wakeAt } = this.look();
      if (wakeAt === undefined || wakeAt > end) break;
      this.now = Math.max(wakeAt, this.now + 1);
    }
    this.now = end;
    this.runEverything();
  }

  /** One look of the reconciler. */
  look(): ServiceDecision & { changed: boolean } {
    const before = this.#content();
    const unplaced = new Map<string, Unplaced>();
    let decision: ServiceDecision = { actions: [] };
    const all: ServiceAction[] = [];
    for (let round = 0; round < 3; round += 1) {
      const refused = unplaced.size;
      const snapshot = this.snapshot(unplaced);
      decision = decideService(snapshot, this.now);
      const servingBefore = this.#serving(snapshot);
      this.#checkProtection(decision);
      for (const action of decision.actions) this.#apply(action, unplaced);
      all.push(...decision.actions);
      this.#check(snapshot, decision, servingBefore);
      if (unplaced.size === refused) break;
    }
    return { ...decision, actions: all, changed: this.#content() !== before };
  }

  snapshot(unplaced: ReadonlyMap<string, Unplaced> = new Map()): ServiceSnapshot {
    const balance = this.balance(this);
    return {
      ...(balance === undefined ? {} : { balance }),
      service: this.service,
      tasks: [...this.tasks.values()],
      drainingInstances: this.draining,
      agents: this.agents,
      healthChecked: this.healthChecked,
      unplaced,
      daemonInstances: this.daemonInstances,
      removalOrder: () => [],
      prepulls: this.#missingImages(),
      rules: { healthyAfterMs: this.healthyAfterMs, lostAfterMs: this.lostAfterMs },
    };
  }

  #missingImages(): Map<string, MissingImages> {
    const missing = new Map<string, MissingImages>();
    for (const [machine, asked] of this.prepulls) {
      const state = prepullState(asked?.deploymentId === this.primary.id ? asked : undefined, this.now);
      if (state.kind !== 'pulled') missing.set(machine, state);
    }
    return missing;
  }

  /** What the machine's agent tells of the pull it was asked for. */
  tell(machine: string, outcome: NonNullable<Prepull['outcome']>): void {
    const asked = this.prepulls.get(machine);
    if (asked === undefined) throw new Error(`${machine} was not asked to pull`);
    this.prepulls.set(machine, withOutcome(asked, outcome));
  }

  /** Everything that would be written. */
  #content(): string {
    const deployments = this.service.deployments.map((deployment) => ({ ...deployment, updatedAt: 0 }));
    return JSON.stringify([{ ...this.service, deployments }, ...this.tasks.values(), ...this.prepulls]);
  }

  #apply(action: ServiceAction, unplaced: Map<string, Unplaced>): void {
    switch (action.kind) {
      case 'putDeployment':
        this.#deployments((list) => list.map((old) => (old.id === action.deployment.id ? action.deployment : old)));
        break;
      case 'removeDeployment':
        this.#deployments((list) => list.filter(({ id }) => id !== action.deploymentId));
        break;
      case 'rollBack':
        this.service = withRollback(this.service, { ...action, now: this.now });
        break;
      case 'stopTasks':
        for (const taskArn of action.taskArns) {
          const task = this.tasks.get(taskArn);
          if (task !== undefined) this.changeTask(task, { desiredStatus: 'STOPPED', stopCode: action.stopCode });
        }
        break;
      case 'loseTasks':
        for (const taskArn of action.taskArns) {
          const task = this.tasks.get(taskArn);
          if (task !== undefined) this.changeTask(task, { lostAt: this.now });
        }
        break;
      case 'resumeTasks':
        for (const taskArn of action.taskArns) {
          const { lostAt: _, ...task } = this.tasks.get(taskArn) ?? aTask();
          this.tasks.set(taskArn, task);
        }
        break;
      case 'moveTask': {
        const before = new Set(this.tasks.keys());
        const { deploymentId, containerInstanceArn } = action;
        const start = {
          kind: 'startTasks',
          deploymentId,
          count: 1,
          containerInstanceArns: [containerInstanceArn],
        } as const;
        this.#start(start, unplaced);
        const replacement = [...this.tasks.keys()].find((arn) => !before.has(arn));
        if (replacement === undefined) break;
        const { cause, victim } = action;
        this.change({ rebalancing: { cause, move: { victim, replacement } } });
        break;
      }
      case 'setRebalancing': {
        const { rebalancing: _, ...service } = this.service;
        this.service = action.rebalancing === undefined ? service : { ...service, rebalancing: action.rebalancing };
        break;
      }
      case 'prepull':
        for (const arn of action.containerInstanceArns) {
          const asked: Prepull = { deploymentId: action.deploymentId, images: [], askedAt: this.now };
          const before = this.prepulls.get(arn);
          this.prepulls.set(arn, askedAgain(before?.deploymentId === asked.deploymentId ? before : undefined, asked));
        }
        break;
      case 'holdPulls':
        for (const { containerInstanceArn, failures, retryAt } of action.pulls) {
          const failed = this.prepulls.get(containerInstanceArn);
          if (failed !== undefined) this.prepulls.set(containerInstanceArn, { ...failed, failures, retryAt });
        }
        break;
      case 'startTasks':
        this.#start(action, unplaced);
        break;
      case 'addEvent':
        this.service = {
          ...this.service,
          events: withEvent(this.service.events, { id: '', createdAt: this.now, message: action.message }),
        };
        break;
      case 'setDesiredCount':
        this.change({ desiredCount: action.desiredCount });
        break;
      case 'setStatus':
        this.change({ status: action.status });
        break;
    }
  }

  #start(
    { deploymentId, count, containerInstanceArns }: ServiceAction & { kind: 'startTasks' },
    unplaced: Map<string, Unplaced>,
  ): void {
    const taken = [...this.tasks.values()].filter((task) => !hasStopped(task)).length;
    const machines = [0, 1, 2, 3]
      .map((number) => `machine-${number}`)
      .filter((machine) => this.agents.get(machine)?.connected !== false && !this.draining.has(machine));
    const room = machines.length === 0 && containerInstanceArns === undefined ? 0 : this.capacity - taken;
    const fit = Math.min(count, Math.max(0, room));
    for (let index = 0; index < fit; index += 1) {
      const machine = containerInstanceArns?.[index] ?? machines[this.#placed++ % machines.length] ?? '';
      const task = aTask({
        deploymentId,
        serviceName: this.service.serviceName,
        containerInstanceArn: machine,
        lastStatus: 'PENDING',
        createdAt: this.now,
        taskDefinitionArn: this.service.deployments.find(({ id }) => id === deploymentId)?.taskDefinitionArn ?? '',
      });
      this.tasks.set(task.taskArn, task);
      this.#deployments((list) =>
        list.map((deployment) => {
          if (deployment.id !== deploymentId) return deployment;
          const progress = deployment.progress ?? freshProgress;
          return {
            ...deployment,
            progress: { ...progress, probation: [...progress.probation, { taskArn: task.taskArn }] },
          };
        }),
      );
    }
    if (fit > 0) this.#apply({ kind: 'addEvent', message: `(service web) has started ${fit} tasks: ….` }, unplaced);
    if (fit < count)
      unplaced.set(deploymentId, { count: count - fit, explanation: 'because it is full.', forWantOfRoom: true });
  }

  #deployments(change: (deployments: readonly Deployment[]) => readonly Deployment[]): void {
    this.service = { ...this.service, deployments: change(this.service.deployments) };
  }

  /** What users may reach: healthy tasks of the PRIMARY that stay, and those to be replaced that still run and are not UNHEALTHY. */
  #serving(snapshot: ServiceSnapshot): number {
    const primary = snapshot.service.deployments.find(({ status }) => status === 'PRIMARY');
    return [...this.tasks.values()].filter((task) => {
      if (!isRunning(task) || isUnhealthy(task, this.service, this.now)) return false;
      const settled = this.service.deployments.find(({ id }) => id === task.deploymentId);
      const stays = task.deploymentId === primary?.id && !this.draining.has(task.containerInstanceArn ?? '');
      return !stays || isHealthy(task, settled, snapshot, this.now);
    }).length;
  }

  #checkProtection({ actions }: ServiceDecision): void {
    if (this.service.status !== 'ACTIVE') return;
    const arns = actions.flatMap((action) => (action.kind === 'stopTasks' ? action.taskArns : []));
    for (const arn of arns) {
      const task = this.tasks.get(arn);
      if (task === undefined || isUnhealthy(task, this.service, this.now)) continue;
      must((task.protectedUntil ?? 0) <= this.now, 'I16: a protected task is stopped');
    }
  }

  #check(snapshot: ServiceSnapshot, { actions, waiting }: ServiceDecision, servingBefore: number): void {
    const { service } = snapshot;
    const starts = actions.filter((action) => action.kind === 'startTasks' || action.kind === 'moveTask');
    const rollBacks = actions.filter((action) => action.kind === 'rollBack');
    if (service.status !== 'ACTIVE' || service.desiredCount === 0) {
      if (service.schedulingStrategy === 'REPLICA')
        must(starts.length === 0, 'I5: a service that wants nothing starts tasks');
    }
    const failed = new Set(
      service.deployments.filter(({ rolloutState }) => rolloutState === 'FAILED').map(({ id }) => id),
    );
    for (const start of starts) must(!failed.has(start.deploymentId), 'I6: a failed deployment starts tasks');
    const primaryBefore = service.deployments.find(({ status }) => status === 'PRIMARY');
    must(rollBacks.length === 0 || primaryBefore?.rollbackOf === undefined, 'I6: a way back is taken back');
    const rolls = service.schedulingStrategy === 'REPLICA' && service.deploymentController === 'ECS';
    if (service.status === 'ACTIVE' && rolls) {
      const { floor, ceiling } = rolloutLimits(service);
      must(
        starts.length === 0 || this.alive().length <= ceiling,
        `I3: ${this.alive().length} tasks, ceiling ${ceiling}`,
      );
      if (actions.some(({ kind }) => kind === 'stopTasks') && rollBacks.length === 0) {
        const serving = this.#serving(snapshot);
        must(
          serving >= Math.min(floor, servingBefore),
          `I4: ${serving} tasks serve, floor ${floor}, ${servingBefore} before`,
        );
      }
    }
    const goal = this.#goal(service);
    const running = this.alive().filter(isRunning).length;
    const atRest =
      running === goal &&
      this.alive().length === goal &&
      ![...this.tasks.values()].some((task) => isLive(task) && !isAlive(task)) &&
      (service.deployments.length === 1 || taskSetsOf(service).length > 0);
    must(
      atRest || actions.length > 0 || service.status !== 'ACTIVE' || waiting !== undefined,
      'I8: nothing is done and no reason is named',
    );
  }

  #goal(service: Service): number {
    if (service.schedulingStrategy === 'DAEMON') return this.daemonInstances.filter(({ suitable }) => suitable).length;
    if (service.deploymentController !== 'EXTERNAL') return service.desiredCount;
    return taskSetsOf(service).reduce((sum, set) => sum + computedDesiredCount(service, set), 0);
  }
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}
