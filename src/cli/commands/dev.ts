/** `berth dev up | down | status`: control, and one agent on this machine or several hosts with one each, in the background. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { printJson, printOne } from '../context.ts';
import { developmentEndpoint } from '../config.ts';
import { fetchWithin } from '../fetch-within.ts';
import { obstacleToListeningAt } from '../dev/address.ts';
import { logFileOf, startDaemon, stopDaemon, waitUntilReady } from '../dev/daemon.ts';
import { buildProgram, buildSampleImage, purgeAgent, removeSampleImage, type ProgramOptions } from '../dev/programs.ts';
import { ensureSampleService, fetchPages, isSampleServiceUnknown, sampleService } from '../dev/sample.ts';
import {
  agentFoldersOf,
  clearRemains,
  enginesOf,
  mostHosts,
  powerOnHosts,
  prepareHosts,
  takeAwayHosts,
  type Hosts,
} from '../dev/hosts/cluster.ts';
import { joinHosts } from '../dev/hosts/join.ts';
import { hostsListen, machineListen } from '../dev/hosts/place.ts';
import { devSettings, type DevSettings } from '../dev/settings.ts';
import { whileAlone } from '../dev/lock.ts';
import {
  isDaemonAlive,
  readDevState,
  removeDevState,
  writeDevState,
  type DaemonName,
  type DevState,
} from '../dev/state.ts';
import { CliError } from '../errors.ts';
import { listInstances } from '../lookup.ts';
import { age, renderFields } from '../output/table.ts';
import { parsePositive } from '../options.ts';
import { waitForService } from '../wait.ts';
import { addDevHostCommands, printHosts } from './dev-host.ts';

interface UpOptions {
  sample: boolean;
  hosts?: number;
}

const readyTimeoutMs = 60_000;
const stopTimeoutMs = 15_000;
const steadyTimeoutSeconds = 180;

export function addDevCommands(program: Command, context: CliContext): void {
  const { home } = context.environment;
  const dev = program.command('dev').description('a whole cluster on this machine');
  dev
    .command('up')
    .description('start control and one agent in the background, with a sample service')
    .option('--no-sample', 'without the sample service')
    .option('--hosts <number>', 'on so many hosts, each with a container engine of its own (takes root)', parsePositive)
    .action((options: UpOptions) => whileAlone(home, () => up(context, options)));
  dev
    .command('down')
    .description('stop all of it and remove its containers and hosts; what was registered is kept')
    .action(() => whileAlone(home, () => down(context)));
  dev
    .command('status')
    .description('say what runs')
    .action(() => status(context));
  addDevHostCommands(dev, context);
}

/** Prints `text … done in 1.2 s` around a step. */
async function step<T>(context: CliContext, text: string, work: () => Promise<T>): Promise<T> {
  const began = context.clock.now();
  if (context.terminal.isInteractive) context.terminal.note(`${text} …`);
  const result = await work();
  const seconds = ((context.clock.now() - began) / 1000).toFixed(1);
  context.terminal.note(context.terminal.isInteractive ? ` ${seconds} s\n` : `${text}: ${seconds} s\n`);
  return result;
}

/** The daemons that the cluster is to have on this machine itself. */
function daemonsOf({ hosts }: Pick<DevState, 'hosts'>): readonly DaemonName[] {
  return hosts === undefined ? ['control', 'agent'] : ['control'];
}

async function livingDaemons(state: DevState): Promise<DaemonName[]> {
  const names = daemonsOf(state);
  const alive = await Promise.all(names.map((name) => isDaemonAlive(state.pids[name], name)));
  return names.filter((_, index) => alive[index]);
}

async function up(context: CliContext, options: UpOptions): Promise<void> {
  const { home } = context.environment;
  if (options.hosts !== undefined && options.hosts > mostHosts)
    throw new CliError(`a development cluster has at most ${mostHosts} hosts`);
  const state = await readDevState(home);
  const alive = state === undefined ? [] : await livingDaemons(state);
  if (state !== undefined && alive.length === daemonsOf(state).length) return upAgain(context, state, options);
  if (state !== undefined && alive.length > 0) {
    context.terminal.note(`only ${alive.join(' and ')} of the last cluster still runs; starting all anew\n`);
    for (const name of alive) await stopDaemon({ pid: state.pids[name], name, ...stopping(context) });
  }
  if (state !== undefined && state.hosts === undefined && options.hosts !== undefined) {
    throw new CliError('the last cluster here was of this machine alone, and was not ended in order', {
      next: 'remove what it has left with `berth dev down` first',
    });
  }
  const hosts = options.hosts ?? state?.hosts?.count;
  await (hosts === undefined ? startBoth(context, options.sample) : startOnHosts(context, hosts, options.sample));
  if (options.sample) await startSample(context);
  await summary(context);
}

/** A start that was interrupted before its last step is finished by the next one; hosts that are off are powered on. */
async function upAgain(context: CliContext, { hosts, startedAt }: DevState, options: UpOptions): Promise<void> {
  if (options.hosts !== undefined && options.hosts !== hosts?.count) {
    const what = hosts === undefined ? 'this machine as its host' : `${hosts.count} hosts`;
    throw new CliError(`a cluster with ${what} runs already`, { next: 'end it with `berth dev down` first' });
  }
  context.terminal.note(`already running since ${age(startedAt, context.clock.now())}\n`);
  const settings = settingsOf(context, hosts);
  if (hosts !== undefined) await connectHosts(context, hosts, settings);
  if (options.sample && (await isSampleServiceUnknown(context))) {
    await buildSamples(context, hosts, settings);
    await startSample(context);
  }
  return summary(context);
}

function settingsOf(context: CliContext, hosts: Hosts | undefined): DevSettings {
  return devSettings(
    context.environment,
    hosts === undefined ? undefined : { listen: machineListen(hosts.range), tlsListen: hostsListen(hosts.range) },
  );
}

async function startBoth(context: CliContext, withSample: boolean): Promise<void> {
  const { home, root } = context.environment;
  const settings = devSettings(context.environment);
  await clearRemains(context);
  const control = await startControl(context, settings, async () => {
    // Before the daemons: a service of the last time starts its tasks as soon as the agent is there.
    if (withSample) await buildSamples(context, undefined, settings);
  });
  await orStopping(context, { control }, async () => {
    const agent = await startDaemon({ name: 'agent', root, home, environment: settings.agent });
    await writeDevState(home, { ...stateOf(context, settings), pids: { control, agent } });
    await step(context, 'agent of this machine registered', () =>
      waitUntilReady({
        pid: agent,
        name: 'agent',
        home,
        ...waitFor(context),
        isReady: async () => (await connectedInstances(context)) > 0,
      }),
    );
  });
}

async function startOnHosts(context: CliContext, count: number, withSample: boolean): Promise<void> {
  const hosts = await step(context, `LAN for ${count} hosts`, () => prepareHosts(context, count));
  const settings = settingsOf(context, hosts);
  try {
    const control = await startControl(context, settings, async () => undefined, hosts);
    await orStopping(context, { control }, async () => {
      await connectHosts(context, hosts, settings);
      if (withSample) await buildSamples(context, hosts, settings);
    });
  } catch (error) {
    await takeAwayHosts(context, hosts);
    throw error;
  }
}

async function connectHosts(context: CliContext, hosts: Hosts, settings: DevSettings): Promise<void> {
  await step(context, 'their agents joined', () =>
    joinHosts({
      endpoint: developmentEndpoint(context.environment.home),
      control: `https://${hostsListen(hosts.range)}`,
      dataFolders: agentFoldersOf(context, hosts),
      program: programOptions(context, settings.agent, 60_000),
    }),
  );
  await step(context, `${hosts.count} hosts powered on`, () => powerOnHosts(context, hosts, settings));
  await step(context, 'their agents registered', async () => {
    const deadline = context.clock.now() + readyTimeoutMs;
    while ((await connectedInstances(context)) < hosts.count) {
      if (context.clock.now() > deadline) {
        throw new CliError(`not all agents are connected after ${readyTimeoutMs / 1000} s`, {
          next: `see \`berth dev host list\` and ${join(context.environment.home, 'hosts')}/host-*/agent.log`,
        });
      }
      await context.clock.sleep(100, context.signal);
    }
  });
}

/** Builds the program, does what comes `before`, and starts control. The state file names it from its first moment. Answers its pid. */
async function startControl(
  context: CliContext,
  settings: DevSettings,
  before: () => Promise<void>,
  hosts?: Hosts,
): Promise<number> {
  const { home, root } = context.environment;
  await mkdir(home, { recursive: true, mode: 0o700 });
  await refuseTakenAddress(settings.endpoint);
  await step(context, 'program built', () => buildProgram(programOptions(context, settings.control, 120_000)));
  await before();
  const control = await startDaemon({ name: 'control', root, home, environment: settings.control });
  await orStopping(context, { control }, async () => {
    const ofHosts = hosts === undefined ? {} : { hosts };
    await writeDevState(home, { ...stateOf(context, settings), ...ofHosts, pids: { control } });
    await step(context, `control service at ${settings.endpoint}`, () =>
      waitUntilReady({
        pid: control,
        name: 'control',
        home,
        ...waitFor(context),
        isReady: () => answers(context, `${settings.endpoint}/readyz`),
      }),
    );
  });
  return control;
}

function stateOf(
  context: CliContext,
  { endpoint, region }: DevSettings,
): Pick<DevState, 'endpoint' | 'region' | 'startedAt'> {
  return { endpoint, region, startedAt: context.clock.now() };
}

/** A start that fails leaves nothing running. */
async function orStopping(context: CliContext, pids: DevState['pids'], work: () => Promise<void>): Promise<void> {
  const { home } = context.environment;
  try {
    await work();
  } catch (error) {
    const written = (await readDevState(home))?.pids ?? pids;
    for (const name of ['control', 'agent'] as const)
      await stopDaemon({ pid: written[name], name, ...stopping(context) });
    await removeDevState(home);
    throw error;
  }
}

function stopping(context: CliContext) {
  return { clock: context.clock, timeoutMs: stopTimeoutMs };
}

function waitFor(context: CliContext) {
  return { clock: context.clock, timeoutMs: readyTimeoutMs, signal: context.signal };
}

async function answers(context: CliContext, url: string): Promise<boolean> {
  try {
    return (await fetchWithin(context, url, 2000)).ok;
  } catch (error) {
    if (context.signal.aborted) throw error;
    // Refused until it listens; whatever else is wrong stands in the daemon's log, whose end is printed at the deadline.
    return false;
  }
}

async function refuseTakenAddress(endpoint: string): Promise<void> {
  const code = await obstacleToListeningAt(endpoint);
  if (code === undefined) return;
  const what = code === 'EADDRINUSE' ? 'another process listens there already' : `the system says ${code}`;
  throw new CliError(`the control service cannot listen at ${endpoint}: ${what}`, {
    next: `see who it is with \`ss -ltnp\`, or choose another address: BERTH_LISTEN=127.0.0.1:4600 npm start`,
  });
}

async function connectedInstances(context: CliContext): Promise<number> {
  const instances = await listInstances(context);
  return instances.filter((instance) => instance.agentConnected === true && instance.status === 'ACTIVE').length;
}

function programOptions(context: CliContext, environment: NodeJS.ProcessEnv, timeoutMs: number): ProgramOptions {
  return { root: context.environment.root, environment, signal: context.signal, timeoutMs };
}

/** On this machine's engine, or on those of all hosts. */
async function buildSamples(context: CliContext, hosts: Hosts | undefined, { agent }: DevSettings): Promise<void> {
  const environments =
    hosts === undefined ? [agent] : enginesOf(context, hosts).map((host) => ({ ...agent, DOCKER_HOST: host }));
  await step(context, `sample image built on ${hosts === undefined ? 'this machine' : 'each host'}`, async () => {
    for (const environment of environments) await buildSampleImage(programOptions(context, environment, 120_000));
  });
}

async function startSample(context: CliContext): Promise<void> {
  const since = context.clock.now() - 1000;
  const definition = await step(context, 'sample service created', () => ensureSampleService(context));
  context.terminal.note(`waiting for three tasks of ${definition}\n`);
  await waitForService(context, sampleService, { timeoutSeconds: steadyTimeoutSeconds, eventsSince: since });
  for (const page of await fetchPages(context)) context.terminal.note(`${page.url}  ${page.firstLine}\n`);
}

async function summary(context: CliContext): Promise<void> {
  const { home } = context.environment;
  const endpoint = developmentEndpoint(home);
  const instances = await listInstances(context);
  const running = instances.reduce((sum, instance) => sum + (instance.runningTasksCount ?? 0), 0);
  printOne(
    context,
    { endpoint: endpoint.url, region: endpoint.region, instances: instances.length, runningTasks: running },
    () =>
      [
        '',
        renderFields([
          ['endpoint', endpoint.url],
          [
            'cluster',
            `default, ${instances.length} instance${instances.length === 1 ? '' : 's'}, ${running} tasks running`,
          ],
          ['state', home],
        ]),
        '',
        'Point the AWS CLI at it:',
        '  eval "$(npx berth env)"',
        '  aws --endpoint-url "$AWS_ENDPOINT_URL" ecs list-services',
        '',
        'Next:',
        '  npx berth service list',
        '  npx berth task list',
        `  npx berth service update ${sampleService} --desired-count 5 --wait`,
        '  npm stop',
      ].join('\n'),
  );
}

async function down(context: CliContext): Promise<void> {
  const { home } = context.environment;
  const state = await readDevState(home);
  if (state === undefined) {
    await clearRemains(context);
    context.terminal.note('no development cluster runs here\n');
    return;
  }
  const { hosts, pids } = state;
  if (hosts !== undefined) await step(context, `${hosts.count} hosts shut down`, () => takeAwayHosts(context, hosts));
  // The agent first: it must not report as lost what ends with the whole cluster.
  for (const name of [...daemonsOf(state)].toReversed()) {
    await step(context, `berth ${name} ended`, () => stopDaemon({ pid: pids[name], name, ...stopping(context) }));
  }
  if (hosts === undefined) await clearEngine(context);
  await removeDevState(home);
  context.terminal.note(`stopped; what was registered is kept in ${join(home, 'control')} for the next start\n`);
}

async function clearEngine(context: CliContext): Promise<void> {
  const { agent } = devSettings(context.environment);
  await step(context, 'its containers removed', () => purgeAgent(programOptions(context, agent, 300_000)));
  await step(context, 'sample image removed', () => removeSampleImage(programOptions(context, agent, 60_000)));
}

async function status(context: CliContext): Promise<void> {
  const { home } = context.environment;
  const state = await readDevState(home);
  if (state === undefined) {
    if (context.output === 'json') printJson(context, { running: false, alive: [] });
    else context.terminal.write('no development cluster runs here; start one with `npm start`');
    return;
  }
  const alive = await livingDaemons(state);
  const isWhole = alive.length === daemonsOf(state).length;
  if (context.output === 'json') printJson(context, { running: isWhole, alive, ...state });
  else {
    context.terminal.write(
      renderFields([
        ['endpoint', state.endpoint],
        ['since', age(state.startedAt, context.clock.now())],
        ...daemonsOf(state).map(
          (name) =>
            [
              name,
              alive.includes(name) ? `running, pid ${state.pids[name]}` : `not running; see ${logFileOf(home, name)}`,
            ] as const,
        ),
      ]),
    );
    if (state.hosts !== undefined) await printHosts(context, state.hosts, isWhole);
  }
  if (!isWhole) throw new CliError('the cluster is not whole', { next: 'start it again with `npm start`' });
}
