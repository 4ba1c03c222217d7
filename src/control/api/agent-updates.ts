/** UpdateContainerAgent: asks an agent to become the version that this control service brings along. */
import { capability, hasRegistered } from '#model/capabilities.ts';
import { isUpdateUnderWay, requestedUpdate, versionOfBuild } from '#model/agent-update.ts';
import { invalidParameter, missingVersion, noUpdateAvailable, updateInProgress } from '#protocol/ecs/errors.ts';
import { shown } from './container-instances.ts';
import type { Handlers } from './handler.ts';
import { activeCluster, requiredInstance } from './lookups.ts';

export const agentUpdateHandlers: Handlers<'UpdateContainerAgent'> = {
  async UpdateContainerAgent(context, { cluster: reference, containerInstance }) {
    const { store, realm, clock, release } = context;
    const offered = release();
    if (offered === undefined) {
      throw noUpdateAvailable('This control service was not installed with executables that it could give to agents.');
    }
    return store.write(async (tx) => {
      const { clusterName } = await activeCluster(tx, realm, reference);
      const instance = await requiredInstance(tx, realm, { clusterName, reference: containerInstance });
      if (instance.agentUpdate !== undefined && isUpdateUnderWay(instance.agentUpdate)) throw updateInProgress();
      if (instance.versionInfo.agentVersion === '') throw missingVersion();
      if (!hasRegistered(instance, capability.selfUpdate)) {
        throw invalidParameter(
          'This agent does not update itself: it was not installed by install.sh, or ECS_UPDATES_ENABLED is false.',
        );
      }
      const running = versionOfBuild(instance.versionInfo.agentVersion, instance.versionInfo.agentHash);
      if (running === offered.version) throw noUpdateAvailable(`The agent is ${running} already.`);
      const updated = {
        ...instance,
        agentUpdate: requestedUpdate(offered.version, clock.now()),
        version: instance.version + 1,
      };
      await tx.containerInstances.put(updated);
      const [rendered] = await shown(tx, context, clusterName, [updated], []);
      return { containerInstance: rendered };
    });
  },
};
