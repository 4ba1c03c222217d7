/** Whether this machine shuts down or reboots, or only a service of it is stopped: systemd alone knows. */
import { execFile } from 'node:child_process';

const timeoutMs = 3000;
const attempts = 3;

/** False where it cannot be said: a service that is stopped leaves the containers alone. */
export async function isMachineShuttingDown(): Promise<boolean> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const said = await systemState();
    if (said !== '') return said === 'stopping';
  }
  return false;
}

/** Empty when it was not answered: under a unit without KillMode=mixed the end of the service may end the one that asks as well. */
function systemState(): Promise<string> {
  return new Promise((resolve) => {
    // It ends with 1 for every state but `running`.
    execFile('systemctl', ['is-system-running'], { timeout: timeoutMs }, (_error, said) => resolve(said.trim()));
  });
}
