/** `berth control`: runs the control service until it is told to stop. Exit codes: 0 stopped, 1 could not start, 2 wrong settings. */
import { createLogger } from '#lib/logger.ts';
import { ConfigError, readConfig } from './config.ts';
import { startControl } from './control.ts';

const exitCodes = { stopped: 0, failed: 1, misconfigured: 2 } as const;

/** Resolves with the exit code once the service is closed. A second signal ends the process at once. */
export async function main(args: readonly string[]): Promise<number> {
  const stop = stopSignal();
  let logger = createLogger({ name: 'control' });
  try {
    if (args.length > 0) throw new ConfigError(`berth control takes no arguments; settings come from the environment`);
    const config = readConfig();
    logger = createLogger({ name: 'control', level: config.logLevel });
    const control = await startControl(config, { logger });
    const signal = await stop;
    logger.info({ signal }, 'control is stopping; containers go on');
    await control.close();
    return exitCodes.stopped;
  } catch (error) {
    logger.error({ error }, 'control could not start');
    return error instanceof ConfigError ? exitCodes.misconfigured : exitCodes.failed;
  }
}

function stopSignal(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  return promise;
}
