/** The networks of a Docker Engine. One request each; errors and deadlines as in docker.ts. */
import { z } from 'zod';
import type { DockerConnection } from './docker-connection.ts';
import { hasStatus } from './docker-errors.ts';
import type { DockerTimeouts } from './docker-timeouts.ts';
import type { EngineNetwork, EngineNetworks } from './engine-networks.ts';

const Network = z.object({
  Name: z.string(),
  Driver: z.string(),
  IPAM: z.object({ Config: z.array(z.object({ Subnet: z.string().optional() })).nullish() }).nullish(),
  Labels: z.record(z.string(), z.string()).nullish(),
});

export function dockerNetworks(
  { docker, call, get }: DockerConnection,
  { networkMs }: Pick<DockerTimeouts, 'networkMs'>,
): EngineNetworks {
  return {
    async createBridgeNetwork({ name, interfaceName, subnet, labels }, { signal } = {}) {
      await call({ what: `creation of network ${name}`, ms: networkMs, signal }, (abortSignal) =>
        docker.createNetwork({
          Name: name,
          Driver: 'bridge',
          CheckDuplicate: true,
          IPAM: { Driver: 'default', Config: [{ Subnet: subnet }] },
          Options: { 'com.docker.network.bridge.name': interfaceName },
          Labels: { ...labels },
          abortSignal,
        }),
      );
    },

    inspectNetwork(name, { signal } = {}) {
      return call(
        { what: `inspection of network ${name}`, ms: networkMs, signal, isQuestion: true },
        async (abortSignal) => {
          try {
            return networkOf(await get(`/networks/${encodeURIComponent(name)}`, abortSignal));
          } catch (error) {
            if (hasStatus(error, 404)) return undefined;
            throw error;
          }
        },
      );
    },

    listNetworks({ signal } = {}) {
      return call({ what: 'list of networks', ms: networkMs, signal, isQuestion: true }, async (abortSignal) =>
        z
          .array(z.unknown())
          .parse(await get('/networks', abortSignal))
          .map(networkOf),
      );
    },

    async removeNetwork(name, { signal } = {}) {
      await call({ what: `removal of network ${name}`, ms: networkMs, signal }, async (abortSignal) => {
        try {
          const options = { abortSignal };
          await docker.getNetwork(encodeURIComponent(name)).remove(options);
        } catch (error) {
          if (!hasStatus(error, 404)) throw error;
        }
      });
    },
  };
}

/** Throws a ZodError when the engine answers something else. */
function networkOf(body: unknown): EngineNetwork {
  const { Name: name, Driver: driver, IPAM: ipam, Labels: labels } = Network.parse(body);
  const subnets = (ipam?.Config ?? []).flatMap(({ Subnet }) => Subnet ?? []);
  return { name, driver, subnets, labels: labels ?? {} };
}
