/**
 * Keeps the cluster moving towards what is wanted. Commits announce what changed; each named service or instance is looked at once per
 * change, and a full pass at start and on a slow tick repairs what an announcement missed. What the queues hold is a hint: everything
 * needed to go on is in the store, so this may die at any moment.
 */
import { createBackground } from '#lib/background.ts';
import type { Timer } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import { createWorkQueue, type LookAgain, type WorkQueue, type WorkQueueOptions } from '#lib/work-queue.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { ChangeSet, Store } from '#control/store/store.ts';
import { defaultSchedulingRules, type SchedulingRules } from '../deployments/snapshot.ts';
import { reconcileInstance } from './instances.ts';
import type { LaunchDeps } from './launch.ts';
import { reconcileProvisioning } from './provisioning.ts';
import { reap } from './reaper.ts';
import { reconcileService } from './services.ts';

export interface ReconcilerConfig {
  /** How long an agent may be silent before tasks of services that say nothing else are replaced; 0 means for ever. */
  lostAfterMs: number;
  stoppedTaskRetentionMs: number;
  /** How long a task without health check runs before it may take another's place; ECS's 40 s unless set. */
  healthyAfterMs?: number;
  /** How often everything is looked at, whether or not it is known to have changed; a minute unless set. */
  fullPassEveryMs?: number;
}

export interface ReconcilerOptions extends LaunchDeps {
  store: Store;
  logger: Logger;
  config: ReconcilerConfig;
}

export interface Reconciler {
  start(): Promise<void>;
  /** Starts nothing more and resolves when what runs has ended. */
  stop(): Promise<void>;
  /** Resolves when nothing is being looked at; what is scheduled for later does not count. */
  idle(): Promise<void>;
}

const tickMs = 60_000;
const tickJitter = 0.2;
const listBatch = 500;
/** A full cluster where much changes must not look at every waiting service for every task; one look covers what changes meanwhile. */
const roomDelayMs = 250;
/** A look at a service costs as much as it has tasks: one of thousands gathers the changes of a while, small ones are looked at at once. */
const gatheringMsPerTask = 0.5;
const gatheringFromTasks = 250;
const queueBackoff = { baseMs: 50, maxMs: 30_000, factor: 2, jitter: 0.2 };

/** The rules of decisions as they are configured. */
export function schedulingRules({
  healthyAfterMs = defaultSchedulingRules.healthyAfterMs,
  lostAfterMs,
}: ReconcilerConfig): SchedulingRules {
  return { ...defaultSchedulingRules, healthyAfterMs, lostAfterMs };
}

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { store, clock, random, logger, config } = options;
  const rules = schedulingRules(config);
  const background = createBackground({
    onError: (name, error) => logger.error({ name, error }, 'background work of the reconciler failed'),
  });
  /** Services with tasks that found no place, to look at again when room may have appeared. */
  const wantPlace = new Set<string>();
  /** Services with tasks that go on until instances have pulled the images of the next ones. */
  const awaitImages = new Set<string>();
  /** Clusters with tasks that wait for room, to look at again when some may have appeared. */
  const waitingIn = new Set<string>();
  /** How long changes of the tasks of large services are gathered; what people ask of a service is looked at at once. */
  const gatheringMs = new Map<string, number>();
  /** What is announced while a service is looked at is most likely of the look itself. */
  const looking = new Set<string>();
  /** What placement, and who waits for images, last saw of each instance, to tell changes that matter from assignments. */
  const lastSeen = new Map<string, string>();
  const lastPrepulls = new Map<string, string>();
  /** As it was at the last look: most changes are assignments, which need not be compared any further. */
  const lastLooked = new Map<string, ContainerInstance>();
  /** Grows with every look: the queues feed each other, so all are idle when a round over them saw none. */
  let looks = 0;
  let listeningSince = clock.now();
  let latest = listeningSince;
  let unsubscribe: (() => void) | undefined;
  let tick: Timer | undefined;

  const services = queue('looking at a service failed', 4, lookAtService);
  /** Nearly all looks at instances only read, and the store lets those that wait read together. */
  const instances = queue('looking at a container instance failed', 64, lookAtInstance);
  const provisioning = queue('looking at the waiting tasks of a cluster failed', 1, lookAtWaiting);
  /** Of many instances that change at once, a cluster's services are told once in a while. */
  const clusters = queue('the services of a cluster could not be told of a change', 1, (clusterName) =>
    addServicesOf(clusterName),
  );

  function queue(failure: string, concurrency: number, run: WorkQueueOptions['run']): WorkQueue {
    return createWorkQueue({
      clock,
      random,
      concurrency,
      backoff: queueBackoff,
      run,
      onError: (key, error, attempt) => logger.error({ key, error, attempt }, failure),
    });
  }

  /** Since when silence proves anything. A clock that was set back has lost count: it begins anew. */
  function countsSilenceFrom(): number {
    const now = clock.now();
    if (now < latest) listeningSince = now;
    latest = now;
    return listeningSince;
  }

  async function lookAtWaiting(clusterName: string): Promise<LookAgain> {
    looks += 1;
    const look = await reconcileProvisioning(options, clusterName);
    setMembership(waitingIn, clusterName, look.waiting);
    return { lookAgainAt: look.lookAgainAt };
  }

  async function lookAtService(serviceArn: string): Promise<LookAgain> {
    looks += 1;
    looking.add(serviceArn);
    const look = await reconcileService({ ...options, rules, listeningSince: countsSilenceFrom() }, serviceArn).finally(
      () => looking.delete(serviceArn),
    );
    setMembership(wantPlace, serviceArn, look.wantsPlace);
    setMembership(awaitImages, serviceArn, look.awaitsImages);
    if (look.tasks < gatheringFromTasks) {
      gatheringMs.delete(serviceArn);
      return { lookAgainAt: look.lookAgainAt };
    }
    const ms = look.tasks * gatheringMsPerTask;
    gatheringMs.set(serviceArn, ms);
    return { lookAgainAt: gathered(look.lookAgainAt, ms) };
  }

  /** Its tasks were started one after the other, so their moments come one after the other, too; what is due by now is not put off. */
  function gathered(lookAgainAt: number | undefined, ms: number): number | undefined {
    const now = clock.now();
    return lookAgainAt === undefined || lookAgainAt <= now ? lookAgainAt : Math.max(lookAgainAt, now + ms);
  }

  async function lookAtInstance(containerInstanceArn: string): Promise<LookAgain> {
    looks += 1;
    const look = await reconcileInstance({ store, clock, listeningSince: countsSilenceFrom() }, containerInstanceArn);
    if (look.instance !== undefined) tellServicesOf(look.instance);
    return { lookAgainAt: look.lookAgainAt };
  }

  function tellServicesOf(instance: ContainerInstance): void {
    const before = lastLooked.get(instance.containerInstanceArn);
    const isGone = instance.status === 'INACTIVE';
    if (isGone && before === undefined) return;
    lastLooked.set(instance.containerInstanceArn, instance);
    if (before !== undefined && saysTheSame(before, instance)) return;
    const { containerInstanceArn, status, agentConnected, health, resources, prepulls } = instance;
    const { agentAttributes, customAttributes } = instance;
    const placement = [status, agentConnected, health.status, resources, agentAttributes, customAttributes];
    if (isNews(lastSeen, containerInstanceArn, placement)) {
      if (waitingIn.has(instance.clusterName)) provisioning.add(instance.clusterName);
      clusters.add(instance.clusterName);
    }
    if (isNews(lastPrepulls, containerInstanceArn, prepulls)) for (const arn of awaitImages) services.add(arn);
    if (isGone) forget(containerInstanceArn);
  }

  function forget(containerInstanceArn: string): void {
    for (const seen of [lastSeen, lastPrepulls, lastLooked]) seen.delete(containerInstanceArn);
  }

  /** The services of a cluster, or of all clusters. */
  async function addServicesOf(clusterName?: string): Promise<void> {
    let after: string | undefined;
    do {
      const filter = {
        statuses: ['ACTIVE', 'DRAINING'] as const,
        ...(clusterName === undefined ? {} : { clusterName }),
      };
      const page = await store.read((tx) =>
        tx.services.list(filter, after === undefined ? { limit: listBatch } : { after, limit: listBatch }),
      );
      for (const { serviceArn } of page.items) services.add(serviceArn);
      after = page.next;
    } while (after !== undefined);
  }

  function onChange(changes: ChangeSet): void {
    for (const arn of changes.services) {
      const ms = changes.tasks.size > 0 || looking.has(arn) ? gatheringMs.get(arn) : undefined;
      if (ms === undefined) services.add(arn);
      else services.addAfter(arn, ms);
    }
    for (const arn of changes.containerInstances) instances.add(arn);
    for (const clusterName of changes.waiting) provisioning.add(clusterName);
    if (changes.tasks.size === 0) return;
    for (const arn of wantPlace) services.addAfter(arn, Math.max(roomDelayMs, gatheringMs.get(arn) ?? 0));
    for (const clusterName of waitingIn) provisioning.addAfter(clusterName, roomDelayMs);
  }

  async function fullPass(): Promise<void> {
    const known = await store.read((tx) => tx.containerInstances.list({}));
    for (const { containerInstanceArn } of known) instances.add(containerInstanceArn);
    await addServicesOf();
    const waiting = await store.read((tx) => tx.tasks.all({ waiting: true }));
    for (const { clusterName } of waiting) provisioning.add(clusterName);
    await reap({ store, clock, stoppedTaskRetentionMs: config.stoppedTaskRetentionMs });
  }

  function scheduleTick(): void {
    const wait = (config.fullPassEveryMs ?? tickMs) * (1 + tickJitter * (2 * random.next() - 1));
    tick = clock.after(
      wait,
      () => {
        background.spawn('full pass', fullPass());
        scheduleTick();
      },
      { background: true },
    );
  }

  return {
    async start() {
      listeningSince = latest = clock.now();
      unsubscribe = store.subscribe(onChange);
      scheduleTick();
      await fullPass();
    },
    async stop() {
      unsubscribe?.();
      tick?.cancel();
      const queues = [services, instances, clusters, provisioning];
      await Promise.all([...queues.map((queue) => queue.stop()), background.settled()]);
    },
    async idle() {
      let before: number;
      do {
        before = looks;
        await background.settled();
        await instances.idle();
        await clusters.idle();
        await services.idle();
        await provisioning.idle();
      } while (looks !== before);
    },
  };
}

function setMembership(set: Set<string>, key: string, isMember: boolean): void {
  if (isMember) set.add(key);
  else set.delete(key);
}

/** Without looking into the parts: those that were not replaced are the same values. */
function saysTheSame(before: ContainerInstance, after: ContainerInstance): boolean {
  return (
    before.status === after.status &&
    before.agentConnected === after.agentConnected &&
    before.health === after.health &&
    before.resources === after.resources &&
    before.prepulls === after.prepulls &&
    before.agentAttributes === after.agentAttributes &&
    before.customAttributes === after.customAttributes
  );
}

/** Whether the value differs from the one that was noted under the key before; it is noted. */
function isNews(seen: Map<string, string>, key: string, value: unknown): boolean {
  const text = JSON.stringify(value) ?? '';
  if (seen.get(key) === text) return false;
  seen.set(key, text);
  return true;
}
