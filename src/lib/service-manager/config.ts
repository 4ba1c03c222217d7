/** What systemd tells a service of Type=notify in its environment. */
import type { NotifySettings } from './notify.ts';

/** Undefined where nobody waits for news: in a terminal, in a test, under another service manager. */
export function readNotifySettings(
  variables: NodeJS.ProcessEnv = process.env,
  pid: number = process.pid,
): NotifySettings | undefined {
  if (!variables['NOTIFY_SOCKET']) return undefined;
  const watchdogMs = Number(variables['WATCHDOG_USEC'] ?? '') / 1000;
  // Inherited from a service that started this process: not this one is watched.
  const isWatched = (variables['WATCHDOG_PID'] ?? String(pid)) === String(pid);
  return Number.isFinite(watchdogMs) && watchdogMs > 0 && isWatched ? { watchdogMs } : {};
}
