/**
 * Whose namespaces a container is in. What belongs to a namespace that the task shares (host name, name servers, host entries, kernel settings, shared
 * memory) is the pause container's to be told; the engine refuses it on the others. Pure.
 */
import type { ContainerDefinition } from '#model/container-definition.ts';
import { containerNamed, definitionOf, type AgentTask } from './agent-task.ts';
import type { ContainerSpec, IpcNamespace, NetworkChoice, ProcessNamespace } from './container-spec.ts';
import { isInternalContainer, pauseContainerName } from './pause-container.ts';

const mebibyte = 1024 * 1024;
/** Kernel settings of the IPC namespace; those of the network begin with `net.`. */
const ipcControl = /^(kernel\.(msg|sem|shm)|fs\.mqueue\.)/;

type SharedSettings = Pick<
  ContainerSpec,
  'dnsServers' | 'dnsSearchDomains' | 'extraHosts' | 'sysctls' | 'hostname' | 'sharedMemoryBytes'
>;

export interface Namespaces extends SharedSettings {
  network: NetworkChoice;
  pid?: ProcessNamespace;
  ipc?: IpcNamespace;
}

/** Those of a container of the definition; the pause container's are `pauseNamespaces`. */
export function namespacesOf(task: AgentTask, definition: ContainerDefinition): Namespaces {
  const { networkMode, pidMode, ipcMode } = task.definition;
  const pause = { container: containerNamed(task, pauseContainerName)?.engineName ?? '' };
  const network = definition.disableNetworking === true ? 'none' : networkOf(networkMode, pause);
  const joined = networkMode === 'awsvpc' && network !== 'none';
  return {
    network,
    ...settingsOf([definition], {
      isOwn: (control) => !(joined && control.startsWith('net.')) && !(ipcMode === 'task' && ipcControl.test(control)),
      host: !joined,
      sharedMemory: ipcMode !== 'task',
    }),
    ...(pidMode === undefined ? {} : { pid: pidMode === 'task' ? pause : 'host' }),
    ...(ipcMode === undefined ? {} : { ipc: ipcMode === 'task' ? pause : ipcMode }),
  };
}

/** `taskNetwork`: the engine's network for the task; needed in network mode awsvpc only. */
export function pauseNamespaces(task: AgentTask, taskNetwork: string | undefined): Namespaces {
  const { networkMode, ipcMode } = task.definition;
  const shared = networkMode === 'awsvpc';
  const others = task.containers.flatMap(({ name }) =>
    isInternalContainer(name) ? [] : (definitionOf(task, name) ?? []),
  );
  return {
    network: shared && taskNetwork !== undefined ? { network: taskNetwork } : 'none',
    ...settingsOf(others, {
      isOwn: (control) => (shared && control.startsWith('net.')) || (ipcMode === 'task' && ipcControl.test(control)),
      host: shared,
      sharedMemory: ipcMode === 'task',
    }),
    ...(ipcMode === 'task' ? { ipc: 'shareable' } : {}),
  };
}

function networkOf(mode: AgentTask['definition']['networkMode'], pause: { container: string }): NetworkChoice {
  if (mode === 'awsvpc') return pause;
  return mode === 'host' || mode === 'none' ? mode : 'bridge';
}

interface Choice {
  isOwn(control: string): boolean;
  /** Host name, name servers and host entries. */
  host: boolean;
  sharedMemory: boolean;
}

/** Over several containers: lists without repetition, of each single value the first, of shared memory the most. */
function settingsOf(
  definitions: readonly ContainerDefinition[],
  { isOwn, host, sharedMemory }: Choice,
): SharedSettings {
  const told = host ? definitions : [];
  const hostname = told.find((definition) => definition.hostname !== undefined)?.hostname;
  const controls = definitions.flatMap((definition) => definition.systemControls ?? []);
  const memory = definitions.flatMap((definition) => definition.linuxParameters?.sharedMemorySize ?? []);
  return {
    dnsServers: unique(told.flatMap((definition) => definition.dnsServers ?? [])),
    dnsSearchDomains: unique(told.flatMap((definition) => definition.dnsSearchDomains ?? [])),
    extraHosts: unique(
      told.flatMap((definition) =>
        (definition.extraHosts ?? []).map((entry) => `${entry.hostname}:${entry.ipAddress}`),
      ),
    ),
    sysctls: Object.fromEntries(
      controls
        .toReversed()
        .flatMap(({ namespace, value }) =>
          namespace === undefined || value === undefined || !isOwn(namespace) ? [] : [[namespace, value]],
        ),
    ),
    ...(hostname === undefined ? {} : { hostname }),
    ...(sharedMemory && memory.length > 0 ? { sharedMemoryBytes: Math.max(...memory) * mebibyte } : {}),
  };
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
