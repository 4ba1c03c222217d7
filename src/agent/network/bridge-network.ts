/**
 * Task networks on one machine: one bridge network of the engine, this agent's own, on which the engine gives each task its address. It is made when
 * the first task needs it and made again when somebody removed it; addresses do not reach beyond the machine. Invariants:
 * - a network of our name that is not ours is never used or changed;
 * - its addresses overlap nothing that the machine or the engine routes.
 */
import type { Logger } from '#lib/logger.ts';
import { couldNotAsk, EngineError, type CallOptions } from '../engine/container-engine.ts';
import type { EngineNetwork, EngineNetworks } from '../engine/engine-networks.ts';
import { machineLabel } from '../tasks/container-config.ts';
import { parseIpv4Range } from './ipv4-range.ts';
import { TaskNetworkError, type TaskNetworkCheck, type TaskNetworkDriver } from './network-driver.ts';
import { chooseSubnet, type SubnetChoice, type TakenRange } from './subnet-choice.ts';

export interface BridgeNetworkOptions {
  networks: EngineNetworks;
  machineId: string;
  /** The operator's choice; by default the first free one of ours. */
  subnet?: string | undefined;
  /** What the machine routes. */
  routes(): Promise<readonly TakenRange[]>;
  logger: Logger;
}

/** Enough to tell the agents of one engine apart, and short enough for the name of an interface. */
const shortIdLength = 8;
/** The engine knows networks that left no trace among the routes: each of them costs one attempt. */
const mostAttempts = 4;

export function createBridgeNetwork(options: BridgeNetworkOptions): TaskNetworkDriver {
  const { networks, machineId, logger } = options;
  const name = taskNetworkName(machineId);
  let making: Promise<EngineNetwork> | undefined;
  let told: string | undefined;

  async function existing(callOptions?: CallOptions): Promise<EngineNetwork | undefined> {
    const found = await networks.inspectNetwork(name, callOptions);
    if (found === undefined) return undefined;
    if (found.labels[machineLabel] !== machineId) {
      throw new TaskNetworkError(`the engine has a network ${name} that is not this agent's; remove or rename it`);
    }
    if (options.subnet !== undefined && !found.subnets.includes(options.subnet)) {
      const words = `BERTH_TASK_SUBNET says ${options.subnet}, but the network ${name} has ${found.subnets.join(', ')}`;
      throw new TaskNetworkError(`${words}; set it back, or remove the network when no task is on it`);
    }
    return found;
  }

  async function choose(alsoTaken: readonly TakenRange[], callOptions?: CallOptions): Promise<SubnetChoice> {
    const [routes, known] = await Promise.all([options.routes(), networks.listNetworks(callOptions)]);
    return chooseSubnet(options.subnet, [...routes, ...known.flatMap(rangesOf), ...alsoTaken]);
  }

  async function make(): Promise<EngineNetwork> {
    const refused: TakenRange[] = [];
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const found = await existing();
      if (found !== undefined) return found;
      const choice = await choose(refused);
      if (choice.kind === 'taken') throw new TaskNetworkError(choice.why);
      const { subnet } = choice;
      const labels = { [machineLabel]: machineId };
      try {
        await networks.createBridgeNetwork({ name, interfaceName: interfaceNameOf(machineId), subnet, labels });
        logger.info({ network: name, subnet }, 'made the network of this machine’s tasks');
        return { name, driver: 'bridge', subnets: [subnet], labels };
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        if (error.kind === 'address-conflict') refused.push(...takenBy(subnet, `which the engine refuses`));
        else if (error.kind === 'name-conflict') continue;
        else if (couldNotAsk(error)) throw error;
        else throw new TaskNetworkError(`the network of this machine's tasks: ${error.message}`, { cause: error });
      }
    }
    throw new TaskNetworkError(`the engine has networks on all addresses that were tried for ${name}`);
  }

  /** Tells the reason once, not at every registration. */
  function unusable(why: string): TaskNetworkCheck {
    if (told !== why) logger.warn({ why }, 'tasks can have no network of their own here (awsvpc, FARGATE)');
    told = why;
    return { usable: false, why };
  }

  return {
    async check(callOptions) {
      try {
        const subnet = (await existing(callOptions))?.subnets[0];
        const choice = subnet === undefined ? await choose([], callOptions) : { kind: 'free' as const, subnet };
        if (choice.kind === 'taken') return unusable(choice.why);
        told = undefined;
        return { usable: true, subnet: choice.subnet };
      } catch (error) {
        if (error instanceof TaskNetworkError) return unusable(error.message);
        throw error;
      }
    },

    async join() {
      // Tasks that start together wait for one making.
      making ??= make().finally(() => {
        making = undefined;
      });
      return { engineNetwork: (await making).name };
    },
  };
}

export function taskNetworkName(machineId: string): string {
  return `berth-tasks-${shortId(machineId)}`;
}

function interfaceNameOf(machineId: string): string {
  return `berth-${shortId(machineId)}`;
}

function shortId(machineId: string): string {
  return machineId.replaceAll(/[^A-Za-z0-9]/g, '').slice(0, shortIdLength);
}

function rangesOf({ name, subnets }: EngineNetwork): TakenRange[] {
  return subnets.flatMap((subnet) => takenBy(subnet, `which is the engine's network ${name}`));
}

/** None for the ranges of IPv6. */
function takenBy(subnet: string, by: string): TakenRange[] {
  const range = parseIpv4Range(subnet);
  return range === undefined ? [] : [{ range, by }];
}
