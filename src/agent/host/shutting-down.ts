/** Whether this machine shuts down or reboots, or only a service of it is stopped: systemd alone knows. */
import { execFile } from 'node:child_process';

const timeoutMs = 3000;

/** False where it cannot be said: a service that is stopped leaves the containers alone. */
export function isMachineShuttingDown(): Promise<boolean> {
  return new Promise((resolve) => {
    // It ends with 1 for every state but `running`.
    execFile('systemctl', ['is-system-running'], { timeout: timeoutMs }, (_error, said) => {
      resolve(said.trim() === 'stopping');
    });
  });
}
