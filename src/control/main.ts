/**
 * `berth control`: runs the control service until it is told to stop. Exit codes: 0 stopped, 1 could not start, 2 wrong settings. `berth restore FILE`
 * puts a backup in the place of its state.
 */
import { systemClock } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import { toIsoTime } from '#lib/iso-time.ts';
import { createLogger } from '#lib/logger.ts';
import { readNotifySettings } from '#lib/service-manager/config.ts';
import { createServiceManager } from '#lib/service-manager/notify.ts';
import { restoreBackup } from './backup/restore.ts';
import { ConfigError, readConfig, readConfigOfService, withArguments } from './config.ts';
import { startControl } from './control.ts';

const exitCodes = { stopped: 0, failed: 1, misconfigured: 2 } as const;

/** Resolves with the exit code once the service is closed. A second signal ends the process at once. */
export async function main(args: readonly string[]): Promise<number> {
  const stop = stopSignal();
  let logger = createLogger({ name: 'control' });
  try {
    const config = readConfig(withArguments(args));
    logger = createLogger({ name: 'control', level: config.logLevel });
    const serviceManager = createServiceManager({ settings: readNotifySettings(), clock: systemClock, logger });
    const control = await startControl(config, { logger });
    serviceManager.ready();
    const signal = await stop;
    serviceManager.stopping();
    logger.info({ signal }, 'control is stopping; containers go on');
    await control.close();
    return exitCodes.stopped;
  } catch (error) {
    logger.error({ error }, 'control could not start');
    return error instanceof ConfigError ? exitCodes.misconfigured : exitCodes.failed;
  }
}

/** Settings are those of the service: the environment, or else the file that the installation made. */
export async function restore(args: readonly string[]): Promise<number> {
  try {
    const [file, ...rest] = args;
    if (file === undefined || file.startsWith('-') || rest.length > 0) {
      throw new ConfigError('berth restore takes one argument: the file that `berth backup` saved');
    }
    const { config, from } = readConfigOfService();
    const { createdAt, rows, suffix } = await restoreBackup(file, config, systemClock);
    const lines = [
      `Restored ${rows} rows of ${toIsoTime(createdAt)} into ${config.home} (settings: ${from}).`,
      `What was there is beside it, its names end in ${suffix}. Start control now; containers go on meanwhile.`,
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
    return exitCodes.stopped;
  } catch (error) {
    process.stderr.write(`berth: ${messageOf(error)}\n`);
    return error instanceof ConfigError ? exitCodes.misconfigured : exitCodes.failed;
  }
}

function stopSignal(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  return promise;
}
