/** The engine's port for networks: what a driver of task networks asks of it. The same rules as in container-engine.ts hold. */
import type { CallOptions } from './container-engine.ts';

export interface BridgeNetworkSpec {
  name: string;
  /** The host's interface for it, at most 15 characters. */
  interfaceName: string;
  /** IPv4, e.g. `10.88.0.0/16`. */
  subnet: string;
  labels: Readonly<Record<string, string>>;
}

export interface EngineNetwork {
  name: string;
  driver: string;
  /** Of IPv4 and IPv6; none for the likes of `host`. */
  subnets: readonly string[];
  labels: Readonly<Record<string, string>>;
}

export interface EngineNetworks {
  /** Fails with `name-conflict` when the name is taken, `address-conflict` when another network of the engine has the addresses. */
  createBridgeNetwork(spec: BridgeNetworkSpec, options?: CallOptions): Promise<void>;
  inspectNetwork(name: string, options?: CallOptions): Promise<EngineNetwork | undefined>;
  listNetworks(options?: CallOptions): Promise<EngineNetwork[]>;
  /** Fails with `in-use` when a container is on it. */
  removeNetwork(name: string, options?: CallOptions): Promise<void>;
}
