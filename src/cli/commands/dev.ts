/** `berth dev up | down | status`: control and one agent on this machine, in the background. */
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
import { devSettings } from '../dev/settings.ts';
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
import { waitForService } from '../wait.ts';

const daemonNames = ['control', 'agent'] as const satisfies readonly DaemonName[];
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
    .action((options: { sample: boolean }) => whileAlone(home, () => up(context, options.sample)));
  dev
    .command('down')
    .description('stop both and remove their containers; what was registered is kept')
    .action(() => whileAlone(home, () => down(context)));
  dev
    .command('status')
    .description('say what runs')
    .action(() => status(context));
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

async function livingDaemons(state: DevState): Promise<DaemonName[]> {
  const alive = await Promise.all(daemonNames.map((name) => isDaemonAlive(state.pids[name], name)));
  return daemonNames.filter((_, index) => alive[index]);
}

async function up(context: CliContext, withSample: boolean): Promise<void> {
  const { home } = context.environment;
  const state = await readDevState(home);
  const alive = state === undefined ? [] : await livingDaemons(state);
  if (state !== undefined && alive.length === daemonNames.length) {
    context.terminal.note(`already running since ${age(state.startedAt, context.clock.now())}\n`);
    // A start that was interrupted before its last step is finished by the next one.
    if (withSample && (await isSampleServiceUnknown(context))) {
      await buildSample(context);
      await startSample(context);
    }
    return summary(context);
  }
  if (state !== undefined && alive.length > 0) {
    context.terminal.note(`only ${alive.join(' and ')} of the last cluster still runs; starting both anew\n`);
    for (const name of alive)
      await stopDaemon({ pid: state.pids[name], name, clock: context.clock, timeoutMs: stopTimeoutMs });
  }
  await startBoth(context, withSample);
  if (withSample) await startSample(context);
  await summary(context);
}

async function startBoth(context: CliContext, withSample: boolean): Promise<void> {
  const { home, root } = context.environment;
  const settings = devSettings(context.environment);
  await mkdir(home, { recursive: true, mode: 0o700 });
  await refuseTakenAddress(settings.endpoint);
  await step(context, 'program built', () => buildProgram(programOptions(context, settings.control, 120_000)));
  // Before the daemons: a service of the last time starts its tasks as soon as the agent is there.
  if (withSample) await buildSample(context);
  const pids: Partial<DevState['pids']> = {};
  try {
    const control = await startDaemon({ name: 'control', root, home, environment: settings.control });
    pids.control = control;
    await step(context, `control service at ${settings.endpoint}`, () =>
      waitUntilReady({
        pid: control,
        name: 'control',
        home,
        ...waitFor(context),
        isReady: () => answers(context, `${settings.endpoint}/readyz`),
      }),
    );
    const agent = await startDaemon({ name: 'agent', root, home, environment: settings.agent });
    pids.agent = agent;
    await writeDevState(home, {
      endpoint: settings.endpoint,
      region: settings.region,
      startedAt: context.clock.now(),
      pids: { control, agent },
    });
    await step(context, 'agent of this machine registered', () =>
      waitUntilReady({
        pid: agent,
        name: 'agent',
        home,
        ...waitFor(context),
        isReady: () => hasConnectedInstance(context),
      }),
    );
  } catch (error) {
    for (const name of daemonNames) {
      const pid = pids[name];
      if (pid !== undefined) await stopDaemon({ pid, name, clock: context.clock, timeoutMs: stopTimeoutMs });
    }
    await removeDevState(home);
    throw error;
  }
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

async function hasConnectedInstance(context: CliContext): Promise<boolean> {
  return (await listInstances(context)).some(
    (instance) => instance.agentConnected === true && instance.status === 'ACTIVE',
  );
}

function programOptions(context: CliContext, environment: NodeJS.ProcessEnv, timeoutMs: number): ProgramOptions {
  return { root: context.environment.root, environment, signal: context.signal, timeoutMs };
}

async function buildSample(context: CliContext): Promise<void> {
  const { agent } = devSettings(context.environment);
  await step(context, 'sample image built on this machine', () =>
    buildSampleImage(programOptions(context, agent, 120_000)),
  );
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
    context.terminal.note('no development cluster runs here\n');
    return;
  }
  // The agent first: it must not report as lost what ends with the whole cluster.
  for (const name of ['agent', 'control'] as const) {
    await step(context, `berth ${name} ended`, () =>
      stopDaemon({ pid: state.pids[name], name, clock: context.clock, timeoutMs: stopTimeoutMs }),
    );
  }
  const settings = devSettings(context.environment);
  await step(context, 'its containers removed', () => purgeAgent(programOptions(context, settings.agent, 300_000)));
  await step(context, 'sample image removed', () => removeSampleImage(programOptions(context, settings.agent, 60_000)));
  await removeDevState(home);
  context.terminal.note(`stopped; what was registered is kept in ${join(home, 'control')} for the next start\n`);
}

async function status(context: CliContext): Promise<void> {
  const { home } = context.environment;
  const state = await readDevState(home);
  const alive = state === undefined ? [] : await livingDaemons(state);
  if (context.output === 'json') printJson(context, { running: alive.length === daemonNames.length, alive, ...state });
  if (state === undefined) {
    if (context.output === 'table')
      context.terminal.write('no development cluster runs here; start one with `npm start`');
    return;
  }
  if (context.output === 'table') {
    context.terminal.write(
      renderFields([
        ['endpoint', state.endpoint],
        ['since', age(state.startedAt, context.clock.now())],
        ...daemonNames.map(
          (name) =>
            [
              name,
              alive.includes(name) ? `running, pid ${state.pids[name]}` : `not running; see ${logFileOf(home, name)}`,
            ] as const,
        ),
      ]),
    );
  }
  if (alive.length < daemonNames.length)
    throw new CliError('the cluster is not whole', { next: 'start it again with `npm start`' });
}
