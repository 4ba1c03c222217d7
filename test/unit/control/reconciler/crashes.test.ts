/** Control that crashes around commits: outcomes are still counted once, and the service gets what it wants. */
import { expect, it } from 'vitest';
import { newDeployment } from '#control/deployments/new-deployment.ts';
import { createReconciler } from '#control/reconciler/reconciler.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import { seededIds } from '#lib/ids.ts';
import { silentLogger } from '#lib/logger.ts';
import { seededRandom } from '#lib/random.ts';
import { defaultRealm } from '#model/arn.ts';
import { aCluster } from '#test/support/builders/a-cluster.ts';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { aService } from '#test/support/builders/a-service.ts';
import { aTaskDefinition } from '#test/support/builders/a-task-definition.ts';
import { ManualClock, settle } from '#test/support/manual-clock.ts';

it.each([1, 2, 3, 4, 5])(
  'counts a failed start once although commits fail or are not heard of (seed %i)',
  async (seed) => {
    const clock = new ManualClock();
    const random = seededRandom(seed);
    let crashing = false;
    const crash = (): void => {
      if (crashing && random.next() < 0.4) throw new Error('crash');
    };
    const store = await createSqliteStore({ path: ':memory:', beforeCommit: crash, afterCommit: crash });
    const service = aService({ desiredCount: 2 });
    await store.write(async (tx) => {
      await tx.clusters.put(aCluster());
      await tx.taskDefinitions.put(aTaskDefinition());
      await tx.containerInstances.put(aContainerInstance());
      await tx.services.put({ ...service, deployments: [newDeployment(service, { now: clock.now(), random })] });
    });
    const config = { lostAfterMs: 0, stoppedTaskRetentionMs: 86_400_000 };
    const reconciler = createReconciler({
      store,
      clock,
      random,
      ids: seededIds(random),
      realm: defaultRealm,
      logger: silentLogger,
      config,
    });
    await reconciler.start();
    const live = () => store.read((tx) => tx.tasks.all({ clusterName: 'default', live: true }));
    const comesToRest = async (): Promise<void> => {
      crashing = true;
      await clock.advance(500);
      crashing = false;
      await clock.advance(30_000);
      await settle();
      await reconciler.idle();
    };

    await comesToRest();
    const [first] = await live();
    expect(await live()).toHaveLength(2);
    await store.write(async (tx) => {
      if (first === undefined) return;
      await tx.tasks.put({
        ...first,
        lastStatus: 'STOPPED',
        desiredStatus: 'STOPPED',
        stopCode: 'TaskFailedToStart',
        stoppedAt: clock.now(),
      });
    });
    await comesToRest();
    const after = await store.read((tx) => tx.services.get('default', 'web'));
    expect(after?.deployments[0]?.failedTasks).toBe(1);
    expect(await live()).toHaveLength(2);
    await reconciler.stop();
    await store.close();
  },
);
