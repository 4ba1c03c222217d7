/**
 * What this machine registers as: size, taken ports, what it is and what it can do. What cannot change while the agent runs is read once;
 * ports and what the engine says are read afresh for each registration. An engine that does not answer keeps no agent from its session: the
 * machine registers as what it was, and its health says the rest.
 */
import { availableParallelism, hostname, totalmem } from 'node:os';
import type { Attribute } from '#model/attributes.ts';
import { samePort, type HostPort } from '#model/resources.ts';
import type { Tag } from '#model/tag.ts';
import { couldNotAsk, type ContainerEngine, type EngineDescription } from '../engine/container-engine.ts';
import type { TaskNetworkDriver } from '../network/network-driver.ts';
import { capabilities } from './capabilities.ts';
import { fingerprintOf, readMachineFacts } from './fingerprint.ts';
import { listeningPorts } from './listening-ports.ts';
import { readSystemName } from './os-release.ts';
import type { TaskCgroups } from './task-cgroups.ts';

export interface HostOptions {
  engine: Pick<ContainerEngine, 'describe'>;
  /** Absent where no task gets a network of its own. */
  taskNetwork?: Pick<TaskNetworkDriver, 'check'>;
  /** Absent where tasks are not limited as a whole. */
  taskCgroups?: Pick<TaskCgroups, 'check'>;
  /** Absent where GPUs are not given to tasks. */
  gpuIds?(): Promise<string[]>;
  /** File systems of EFS that this machine has a server for, by id. */
  fileSystems?: ReadonlyMap<string, string>;
  /** Whether the operator has credentials for secrets that `repositoryCredentials` names. */
  registrySecrets?: boolean;
  agentVersion: string;
  /** The commit it was built of. */
  agentHash?: string | undefined;
  reservedMemoryMiB: number;
  /** Told first among the taken ports. */
  reservedPorts: readonly HostPort[];
  /** The operator's own attributes. */
  attributes: readonly Attribute[];
  /** `local` by default. */
  availabilityZone?: string;
}

export interface HostDescription {
  hostname: string;
  fingerprint: string;
  versions: { agent: string; agentHash?: string; docker: string };
  resources: { cpu: number; memoryMiB: number; takenPorts: HostPort[]; gpuIds: string[] };
  attributes: Attribute[];
  tags: Tag[];
}

export interface Host {
  /** Rejects with an EngineError until the engine could be asked once, with a RangeError when more memory is reserved than there is. */
  describe(): Promise<HostDescription>;
}

/** Facts of the hardware and its operating system. */
export interface Machine {
  hostname: string;
  cores: number;
  memoryBytes: number;
  /** As Node names it: `x64`, `arm64`. */
  architecture: string;
  /** E.g. `Debian GNU/Linux 12`. */
  system: string;
  fingerprint: string;
}

/** Of a machine that says nothing else. */
export const defaultAvailabilityZone = 'local';
const cpuUnitsPerCore = 1024;
const mebibyte = 1024 * 1024;
/** More than the protocol takes; whoever has so many listeners has no room for the rest anyway. */
const mostTakenPorts = 1000;

export function createHost(options: HostOptions): Host {
  let machine: Machine | undefined;
  let abilities: Abilities | undefined;

  async function readAbilities(): Promise<Abilities> {
    const [engine, network, cgroups, gpuIds] = await Promise.all([
      options.engine.describe(),
      options.taskNetwork?.check(),
      options.taskCgroups?.check(),
      options.gpuIds?.(),
    ]);
    return {
      engine,
      gpuIds: gpuIds ?? [],
      taskNetwork: network?.usable ?? false,
      taskCgroups: cgroups?.usable ?? false,
    };
  }

  async function latestAbilities(): Promise<Abilities> {
    try {
      abilities = await readAbilities();
    } catch (error) {
      if (abilities === undefined || !couldNotAsk(error)) throw error;
    }
    return abilities;
  }

  return {
    async describe() {
      machine ??= await readMachine();
      const [latest, listening] = await Promise.all([latestAbilities(), listeningPorts()]);
      return describeHost({ options, machine, listening, ...latest });
    },
  };
}

async function readMachine(): Promise<Machine> {
  const [system, facts] = await Promise.all([readSystemName(), readMachineFacts()]);
  return {
    hostname: hostname(),
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    architecture: process.arch,
    system,
    fingerprint: fingerprintOf(facts),
  };
}

export interface DescribeHost extends Abilities {
  options: Omit<HostOptions, 'engine' | 'taskNetwork' | 'taskCgroups' | 'gpuIds'>;
  machine: Machine;
  listening: readonly HostPort[];
}

/** What the engine, and what depends on it, can do here. */
interface Abilities {
  engine: EngineDescription;
  gpuIds: string[];
  /** Whether tasks can have networks of their own here. */
  taskNetwork: boolean;
  /** Whether tasks can be limited as a whole here. */
  taskCgroups: boolean;
}

export function describeHost(facts: DescribeHost): HostDescription {
  const { options, machine, engine, listening, taskNetwork, taskCgroups } = facts;
  return {
    hostname: machine.hostname,
    fingerprint: machine.fingerprint,
    versions: {
      agent: options.agentVersion,
      ...(options.agentHash === undefined ? {} : { agentHash: options.agentHash }),
      docker: engine.version,
    },
    resources: { ...resourcesOf(options, machine, listening), gpuIds: facts.gpuIds },
    attributes: [
      ...builtInAttributes(options, machine),
      ...capabilities({
        engine,
        taskNetwork,
        taskCgroups,
        registrySecrets: options.registrySecrets === true,
        fileSystems: [...(options.fileSystems?.keys() ?? [])],
      }),
      ...options.attributes,
    ],
    tags: [],
  };
}

function resourcesOf(
  { reservedMemoryMiB, reservedPorts }: DescribeHost['options'],
  { cores, memoryBytes }: Machine,
  listening: readonly HostPort[],
): Omit<HostDescription['resources'], 'gpuIds'> {
  const memoryMiB = Math.floor(memoryBytes / mebibyte) - reservedMemoryMiB;
  if (memoryMiB < 0) {
    throw new RangeError(`ECS_RESERVED_MEMORY reserves ${-memoryMiB} MiB more than this machine has`);
  }
  const others = listening.filter((port) => !reservedPorts.some((reserved) => samePort(reserved, port)));
  return {
    cpu: cores * cpuUnitsPerCore,
    memoryMiB,
    takenPorts: [...reservedPorts, ...others].slice(0, mostTakenPorts),
  };
}

function builtInAttributes(options: DescribeHost['options'], machine: Machine): Attribute[] {
  const gibibytes = Math.round(machine.memoryBytes / mebibyte / 1024);
  return [
    { name: 'ecs.os-type', value: 'linux' },
    { name: 'ecs.os-family', value: 'LINUX' },
    { name: 'ecs.cpu-architecture', value: ecsArchitecture(machine.architecture) },
    { name: 'ecs.instance-type', value: `berth.${machine.cores}x${gibibytes}` },
    { name: 'ecs.availability-zone', value: options.availabilityZone ?? defaultAvailabilityZone },
    { name: 'berth.os', value: machine.system },
  ];
}

function ecsArchitecture(architecture: string): string {
  return architecture === 'x64' ? 'x86_64' : architecture;
}
