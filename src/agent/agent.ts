/**
 * One agent, put together from its parts: the journal in the middle, the supervisor on the engine's side, the session on control's. They know each
 * other only through the journal. The work for the machine's containers goes on without control, and stopping the agent touches none of them.
 */
import type { Clock } from '#lib/clock.ts';
import type { Ids } from '#lib/ids.ts';
import type { Logger } from '#lib/logger.ts';
import type { Random } from '#lib/random.ts';
import { samePort, type HostPort } from '#model/resources.ts';
import type { Hello } from '#protocol/session/messages.ts';
import type { Telemetry } from '#protocol/session/telemetry.ts';
import type { ContainerEngine } from './engine/container-engine.ts';
import type { EngineExec } from './engine/engine-exec.ts';
import { createExecSource } from './exec/exec-source.ts';
import { agentHealth, type HealthDetail } from './health/agent-health.ts';
import type { ContainerProcesses } from './host/processes.ts';
import type { TaskCgroups } from './host/task-cgroups.ts';
import { createEngineLogSource } from './logs/log-source.ts';
import type { TaskNetworkDriver } from './network/network-driver.ts';
import { createPrepull, type ListedImage } from './runner/prepull.ts';
import type { Images, RunnerSettings } from './runner/runner-ports.ts';
import { createSupervisor } from './runner/supervisor.ts';
import { createSession, type AgentSession, type ConnectionState } from './session/connection.ts';
import type { Connector } from './session/connector.ts';
import type { ResponderContext } from './session/responders.ts';
import type { HostFacts } from './session/handshake.ts';
import type { Journal } from './state/journal.ts';
import { imageReferences, portsInUse, taskHasStopped, type AgentTask } from './tasks/agent-task.ts';
import type { ContainerEndpoint } from './tasks/endpoint-variables.ts';

export interface AgentOptions {
  engine: ContainerEngine;
  /** Runs commands in the engine's containers. */
  execEngine: EngineExec;
  images: Images;
  /** `host:/path` of the NFS server for each file system of EFS that this machine has. */
  fileSystems?: ReadonlyMap<string, string>;
  /** Absent where tasks are not limited as a whole. */
  taskCgroups?: Pick<TaskCgroups, 'prepare' | 'remove' | 'memoryKills'>;
  /** Absent where no task gets a network of its own. */
  taskNetwork?: Pick<TaskNetworkDriver, 'join'>;
  /** Absent where the engine's processes are not this machine's. */
  processes?: ContainerProcesses;
  /** Stays the caller's: it is not closed with the agent. */
  journal: Journal;
  connect: Connector;
  /** What a container is told of the agent's local endpoints; absent where there are none. */
  endpointOf?(taskArn: string, container: string): ContainerEndpoint | undefined;
  /** Asked before each registration; rejects as long as the engine cannot be asked, and the registration waits. */
  host(): Promise<HostFacts>;
  /** Host ports that others than this agent's tasks use or shall have; none by default. */
  usedPorts?(): Promise<readonly HostPort[]>;
  /** Checks of the machine beyond engine and journal; none by default. */
  machineHealth?(): readonly HealthDetail[];
  clock: Clock;
  ids: Ids;
  random: Random;
  logger: Logger;
  config: AgentSettings;
  /** Control asks for a certificate by another authority. Must not throw. */
  renewIdentity?(): void;
  /** Brings the agent another version; none is brought unless set. */
  update?: ResponderContext['update'];
  /** A session is open: registered, welcomed. */
  onOpened?(): void;
  /** Control will not have this agent, and asking again is no use before somebody acts. Containers go on. */
  refused(because: string): void;
}

export interface AgentSettings extends RunnerSettings {
  cluster: string;
  /** References that the operator wants on this machine; none by default. */
  prepullImages?: readonly string[];
  /** How many containers are created or started at once. */
  engineConcurrency: number;
}

export interface Agent {
  start(): void;
  /** Touches no container. Resolves when nothing is under way; what does not end in time is only waited for, never repeated. */
  stop(): Promise<void>;
  /** What a stop that takes long waits for. */
  underWay(): string[];
  session(): ConnectionState;
  health(): Hello['health'];
  /** False when there is no session that can take it now. */
  sendTelemetry(message: Telemetry): boolean;
  /** Asks control in the name of a task; answers within a few seconds, whatever happens. */
  protect: AgentSession['protect'];
  goingDown: AgentSession['goingDown'];
  tasks(): AgentTask[];
  /** References of images that somebody needs or will. */
  wantedImages(): string[];
  /** What the operator wants on the machine, and how it stands. */
  listedImages(): ListedImage[];
}

export function createAgent(options: AgentOptions): Agent {
  const { engine, images, journal, clock, ids, random, logger, config } = options;
  const prepull = createPrepull({
    images,
    listed: config.prepullImages ?? [],
    clock,
    random,
    logger: logger.child({ part: 'images' }),
  });
  const supervisor = createSupervisor({
    engine,
    images: prepull.images,
    ...(options.taskNetwork === undefined ? {} : { taskNetwork: options.taskNetwork }),
    journal,
    clock,
    random,
    logger: logger.child({ part: 'tasks' }),
    machineId: journal.identity().machineId,
    settings: config,
    engineConcurrency: config.engineConcurrency,
    ...(options.fileSystems === undefined ? {} : { fileSystems: options.fileSystems }),
    ...(options.taskCgroups === undefined ? {} : { taskCgroups: options.taskCgroups }),
    ...(options.usedPorts === undefined ? {} : { usedPorts: options.usedPorts }),
    ...(options.endpointOf === undefined ? {} : { endpointOf: options.endpointOf }),
  });
  const execs = createExecSource({
    engine,
    execEngine: options.execEngine,
    machineId: journal.identity().machineId,
    task: supervisor.task,
    ...(options.processes === undefined ? {} : { processes: options.processes }),
    clock,
    logger: logger.child({ part: 'exec' }),
  });
  const session = createSession({
    connect: options.connect,
    state: journal,
    cluster: config.cluster,
    incarnation: ids.uuid(),
    host,
    health,
    logs: createEngineLogSource({ engine, task: supervisor.task }),
    execs,
    // The supervisor hears of assignments from the journal itself.
    onAssigned: () => undefined,
    onRefused: options.refused,
    prepull: prepull.obtain,
    ...(options.renewIdentity === undefined ? {} : { renewIdentity: options.renewIdentity }),
    // A machine that control does not know yet has no use for images.
    onOpened() {
      prepull.start();
      options.onOpened?.();
    },
    ...(options.update === undefined ? {} : { update: options.update }),
    clock,
    random,
    logger,
  });
  let unsubscribe: (() => void) | undefined;

  async function host(): Promise<HostFacts> {
    const facts = await options.host();
    supervisor.resize(facts.resources);
    // What our own tasks listen on is theirs: it is free when they have stopped, without another registration.
    const own = supervisor.tasks().flatMap(portsInUse);
    const takenPorts = facts.resources.takenPorts.filter((port) => !own.some((mine) => samePort(mine, port)));
    return { ...facts, resources: { ...facts.resources, takenPorts } };
  }

  function health(): Hello['health'] {
    return agentHealth(supervisor.problems(), options.machineHealth?.() ?? []);
  }

  return {
    start() {
      unsubscribe = journal.subscribe({ reportable: session.stateChanged });
      supervisor.start();
      execs.open();
      session.start();
    },
    async stop() {
      unsubscribe?.();
      session.stop();
      await Promise.all([execs.close(), prepull.stop(), supervisor.stop()]);
    },
    underWay: supervisor.underWay,
    session: () => session.state,
    health,
    sendTelemetry: session.sendTelemetry,
    protect: session.protect,
    goingDown: session.goingDown,
    tasks: supervisor.tasks,
    wantedImages: () => [
      ...supervisor
        .tasks()
        .filter((task) => !taskHasStopped(task))
        .flatMap(imageReferences),
      ...prepull.wanted(),
    ],
    listedImages: prepull.listed,
  };
}
