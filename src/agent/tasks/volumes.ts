/**
 * The volumes a task needs from the engine. Host paths need none; a volume without any configuration lives and dies with its task; a shared
 * one outlives it and is told apart by its name alone, as in ECS.
 */
import type { TaskDefinitionBody, Volume } from '#model/task-definition.ts';

export interface RemoteFolder {
  fileSystemId: string;
  /** Absolute, below what the server exports. */
  path: string;
}

export interface AgentVolume {
  /** The name in the task definition. */
  name: string;
  /** The name on the engine. */
  engineName: string;
  scope: 'task' | 'shared';
  /** Whether to create it when the engine has none of this name; otherwise its absence is a failure. */
  provision: boolean;
  driver: string;
  driverOptions: Readonly<Record<string, string>>;
  labels: Readonly<Record<string, string>>;
  /** What is known of it when it is created: a folder of a file system that this machine has a server for. */
  remote?: RemoteFolder;
  status: 'NONE' | 'CREATED' | 'REMOVED';
}

/** The engine volumes behind the mount points of a definition, in the order of its volumes. */
export function taskVolumes(
  definition: TaskDefinitionBody,
  engineName: (volume: string, index: number) => string,
): AgentVolume[] {
  const mounted = new Set(
    definition.containerDefinitions.flatMap((container) =>
      (container.mountPoints ?? []).map((mountPoint) => mountPoint.sourceVolume),
    ),
  );
  return (definition.volumes ?? []).flatMap((volume, index) => {
    if (!mounted.has(volume.name) || hostPathOf(volume) !== undefined) return [];
    const configuration = volume.dockerVolumeConfiguration;
    const shared = configuration?.scope === 'shared';
    return {
      name: volume.name,
      engineName: shared ? volume.name : engineName(volume.name, index),
      scope: shared ? 'shared' : 'task',
      provision: !shared || configuration.autoprovision === true,
      driver: configuration?.driver ?? 'local',
      driverOptions: configuration?.driverOpts ?? {},
      labels: configuration?.labels ?? {},
      ...remoteFolderOf(volume),
      status: 'NONE',
    } satisfies AgentVolume;
  });
}

function remoteFolderOf({ efsVolumeConfiguration: efs }: Volume): Pick<AgentVolume, 'remote'> {
  if (efs === undefined) return {};
  return { remote: { fileSystemId: efs.fileSystemId, path: efs.rootDirectory ?? '/' } };
}

/** How the engine's own driver mounts it; `server` is `host:/path`. The options are those that EFS recommends. */
export function nfsOptions(server: string, { path }: RemoteFolder): Record<string, string> {
  const colon = server.indexOf(':');
  const host = server.slice(0, colon);
  const device = `${server.slice(colon)}/${path}`.replaceAll(/\/+/g, '/').replace(/([^:])\/$/, '$1');
  const mount = 'nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport';
  return { type: 'nfs', o: `addr=${host},${mount}`, device };
}

/** The path on the host that a volume stands for, if it stands for one. */
export function hostPathOf(volume: Volume): string | undefined {
  const path = volume.host?.sourcePath;
  return path === undefined || path === '' ? undefined : path;
}
