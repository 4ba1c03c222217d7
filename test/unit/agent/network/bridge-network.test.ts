/** The bridge that an agent gives its tasks: made when needed, once, never somebody else's, and precise where it cannot be had. */
import { describe, expect, it } from 'vitest';
import { EngineError } from '#agent/engine/container-engine.ts';
import type { BridgeNetworkSpec, EngineNetwork, EngineNetworks } from '#agent/engine/engine-networks.ts';
import { createBridgeNetwork, type BridgeNetworkOptions } from '#agent/network/bridge-network.ts';
import { parseIpv4Range } from '#agent/network/ipv4-range.ts';
import { silentLogger } from '#lib/logger.ts';

const machineId = '0123abcd-4567-89ab-cdef-0123456789ab';
const name = 'berth-tasks-0123abcd';

function world(options: Partial<BridgeNetworkOptions> = {}, known: readonly EngineNetwork[] = []) {
  const there = new Map(known.map((network) => [network.name, network]));
  const made: BridgeNetworkSpec[] = [];
  const refusals: EngineError[] = [];
  const networks: EngineNetworks = {
    async createBridgeNetwork(spec) {
      const refusal = refusals.shift();
      if (refusal !== undefined) throw refusal;
      made.push(spec);
      there.set(spec.name, { name: spec.name, driver: 'bridge', subnets: [spec.subnet], labels: spec.labels });
    },
    inspectNetwork: async (wanted) => there.get(wanted),
    listNetworks: async () => [...there.values()],
    async removeNetwork(wanted) {
      there.delete(wanted);
    },
  };
  const driver = createBridgeNetwork({
    networks,
    machineId,
    routes: async () => [],
    logger: silentLogger,
    ...options,
  });
  return { driver, networks, made, refusals };
}

function network(changes: Partial<EngineNetwork>): EngineNetwork {
  return { name, driver: 'bridge', subnets: ['10.88.0.0/16'], labels: { 'berth.machine-id': machineId }, ...changes };
}

describe('joining', () => {
  it('makes the network once for all that join at the same time, and labels it as ours', async () => {
    const { driver, made } = world();

    const joined = await Promise.all([driver.join(), driver.join(), driver.join()]);

    expect(joined).toEqual([{ engineNetwork: name }, { engineNetwork: name }, { engineNetwork: name }]);
    expect(made).toEqual([
      { name, interfaceName: 'berth-0123abcd', subnet: '10.88.0.0/16', labels: { 'berth.machine-id': machineId } },
    ]);
  });

  it('uses the one that is there, and makes it again when somebody removed it', async () => {
    const { driver, networks, made } = world({}, [network({})]);
    await driver.join();
    expect(made).toEqual([]);

    await networks.removeNetwork(name);
    await driver.join();
    expect(made).toHaveLength(1);
  });

  it('keeps off what the machine routes, what the engine knows, and what the engine refuses', async () => {
    const range = parseIpv4Range('10.88.0.0/16');
    if (range === undefined) throw new Error('no range');
    const other = network({ name: 'other', subnets: ['fd00::/64', '10.89.0.0/24'], labels: {} });
    const { driver, made, refusals } = world({ routes: async () => [{ range, by: 'a route' }] }, [other]);
    refusals.push(new EngineError('address-conflict', 'Pool overlaps with other one on this address space'));

    await driver.join();

    expect(made.map(({ subnet }) => subnet)).toEqual(['10.91.0.0/16']);
  });

  it('never touches a network of our name that is another’s', async () => {
    const { driver, made } = world({}, [network({ labels: {} })]);
    await expect(driver.join()).rejects.toThrow(`the engine has a network ${name} that is not this agent's`);
    expect(made).toEqual([]);
  });

  it('says when the setting and the network differ', async () => {
    const { driver } = world({ subnet: '10.99.0.0/16' }, [network({})]);
    await expect(driver.join()).rejects.toThrow('BERTH_TASK_SUBNET says 10.99.0.0/16, but the network');
  });

  it('tells an engine that refuses from one that does not answer', async () => {
    const { driver, refusals } = world();
    refusals.push(new EngineError('internal', 'iptables failed'), new EngineError('unreachable', 'nobody there'));
    await expect(driver.join()).rejects.toMatchObject({ name: 'TaskNetworkError' });
    await expect(driver.join()).rejects.toMatchObject({ name: 'EngineError', kind: 'unreachable' });
    expect(await driver.join()).toEqual({ engineNetwork: name });
  });
});

describe('checking', () => {
  it('makes nothing, and tells the addresses that tasks will have', async () => {
    const { driver, made } = world();
    expect(await driver.check()).toEqual({ usable: true, subnet: '10.88.0.0/16' });
    expect(made).toEqual([]);
  });

  it('tells why not', async () => {
    const foreign = network({ name: 'other', subnets: ['10.99.0.0/16'], labels: {} });
    const { driver } = world({ subnet: '10.99.0.0/16' }, [foreign]);
    expect(await driver.check()).toEqual({
      usable: false,
      why: expect.stringContaining("10.99.0.0/16 overlaps 10.99.0.0/16, which is the engine's network other"),
    });
  });
});
