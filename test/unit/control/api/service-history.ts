/** A service `web` behind the API with the reconciler's looks, one at a time; the test plays its machine. */
import { defaultSchedulingRules } from '#control/deployments/snapshot.ts';
import { reconcileService } from '#control/reconciler/services.ts';
import { seededIds } from '#lib/ids.ts';
import { seededRandom } from '#lib/random.ts';
import { defaultRealm } from '#model/arn.ts';
import type { Task } from '#model/task.ts';
import { apiWorld, type ApiWorld, type Json } from './api-world.ts';

export const serviceArn = 'arn:aws:ecs:us-east-1:000000000000:service/default/web';

export class History {
  readonly world: ApiWorld;
  readonly #random = seededRandom(3);
  readonly #ids = seededIds(this.#random);

  constructor(world: ApiWorld) {
    this.world = world;
  }

  /** A service of one task that runs `web:1`. */
  static async steady(settings: object = {}): Promise<History> {
    const history = new History(await apiWorld());
    const { world } = history;
    await world.definition();
    await world.definition();
    await world.instance();
    await world.call('CreateService', { serviceName: 'web', taskDefinition: 'web:1', desiredCount: 1, ...settings });
    await history.look();
    await history.runAll();
    await history.look();
    return history;
  }

  /** A second later than what was before. */
  async look(): Promise<void> {
    await this.world.clock.advance(1000);
    const { store, clock } = this.world;
    const deps = { store, clock, random: this.#random, ids: this.#ids, realm: defaultRealm, listeningSince: 0 };
    await reconcileService({ ...deps, rules: defaultSchedulingRules }, serviceArn);
  }

  tasks(): Promise<Task[]> {
    return this.world.store.read((tx) => tx.tasks.all({ clusterName: 'default', live: true }));
  }

  async pending(): Promise<Task[]> {
    return (await this.tasks()).filter(({ lastStatus }) => lastStatus === 'PENDING');
  }

  async runAll(): Promise<void> {
    for (const { taskArn } of await this.pending()) {
      await this.world.report(taskArn, { lastStatus: 'RUNNING', startedAt: this.world.clock.now() });
    }
    for (const { taskArn, desiredStatus } of await this.tasks()) {
      if (desiredStatus === 'STOPPED') await this.world.report(taskArn, { lastStatus: 'STOPPED' });
    }
  }

  async failAll(): Promise<void> {
    for (const { taskArn } of await this.pending()) {
      await this.world.report(taskArn, {
        lastStatus: 'STOPPED',
        desiredStatus: 'STOPPED',
        stopCode: 'TaskFailedToStart',
        stoppedReason: 'CannotStartContainerError: no such file',
        stoppedAt: this.world.clock.now(),
      });
    }
  }

  /** Until the circuit breaker of the deployment has tripped. */
  async failUntilItTrips(): Promise<void> {
    for (let round = 0; round < 3; round += 1) {
      await this.look();
      await this.failAll();
    }
    await this.look();
  }

  async settle(): Promise<void> {
    for (let round = 0; round < 6; round += 1) {
      await this.look();
      await this.runAll();
      await this.world.clock.advance(61_000);
    }
    await this.look();
  }

  async list(more: object = {}): Promise<Json[]> {
    const { serviceDeployments } = await this.world.call('ListServiceDeployments', { service: 'web', ...more });
    return serviceDeployments as unknown as Json[];
  }

  async newest(): Promise<Json> {
    const [brief] = await this.list();
    const serviceDeploymentArns = [brief?.['serviceDeploymentArn']];
    const answer = await this.world.call('DescribeServiceDeployments', { serviceDeploymentArns });
    const newest = answer['serviceDeployments']?.[0];
    if (newest === undefined) throw new Error('no service deployment');
    return newest;
  }

  async service(): Promise<Json | undefined> {
    return (await this.world.call('DescribeServices', { services: ['web'] }))['services']?.[0];
  }
}
