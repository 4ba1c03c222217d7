/** A control service in this process on a free port with an empty store, and machines that do as they are told. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ECSClient } from '@aws-sdk/client-ecs';
import { readConfig } from '#control/config.ts';
import { startControl } from '#control/control.ts';
import { silentLogger } from '#lib/logger.ts';
import { connectObedientAgent } from './obedient-agent.ts';

export interface Cell {
  url: string;
  client: ECSClient;
  /** What `berth env` would export. */
  environment: Record<string, string>;
  /** Runs `<command> ecs …`, a stock AWS CLI, and answers its JSON; rejects with what it printed as an error. */
  aws(command: string, ...args: string[]): Promise<Record<string, unknown>>;
  close(): Promise<void>;
}

export async function startCell({ machines = 2 }: { machines?: number } = {}): Promise<Cell> {
  const home = mkdtempSync(join(tmpdir(), 'berth-conformance-'));
  const config = readConfig({
    BERTH_LISTEN: '127.0.0.1:0',
    BERTH_HOME: home,
    BERTH_HEALTHY_AFTER: '0.1',
    BERTH_HEARTBEAT_INTERVAL: '5',
  });
  const control = await startControl(config, { logger: silentLogger });
  const { url, secrets } = control;
  const agents = Array.from({ length: machines }, (_, index) =>
    connectObedientAgent({ url, token: secrets.agentToken, machineId: `machine-000${index}` }),
  );
  await Promise.all(agents.map((agent) => agent.ready));
  const { accessKeyId, secretAccessKey } = secrets.adminKey;
  const client = new ECSClient({ region: 'us-east-1', endpoint: url, credentials: { accessKeyId, secretAccessKey } });
  const environment = {
    AWS_ENDPOINT_URL: url,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_DEFAULT_REGION: 'us-east-1',
  };
  return {
    url,
    client,
    environment,
    aws: (command, ...args) =>
      runAws(command, ['--endpoint-url', url, '--output', 'json', 'ecs', ...args], { ...environment, HOME: home }),
    async close() {
      client.destroy();
      await Promise.all(agents.map((agent) => agent.close()));
      await control.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Every `aws` on the path (the distribution's, that of a Python environment), each once. Empty: the tests that need one fail. */
export function installedAwsCommands(): string[] {
  const found = new Map<string, string>();
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const command = join(folder, 'aws');
    if (!existsSync(command)) continue;
    const real = realpathSync(command);
    if (!found.has(real)) found.set(real, command);
  }
  return [...found.values()];
}

/** The JSON that it prints; rejects with what it printed as an error. */
export function runAws(
  command: string,
  args: readonly string[],
  environment: Record<string, string>,
): Promise<Record<string, unknown>> {
  const { AWS_PROFILE: _profile, AWS_SESSION_TOKEN: _token, ...inherited } = process.env;
  const env = { ...inherited, AWS_PAGER: '', ...environment };
  return new Promise((resolve, reject) => {
    execFile(command, args, { env, timeout: 60_000 }, (error, stdout, stderr) => {
      if (error !== null) reject(new Error(stderr.trim() || error.message, { cause: error }));
      else resolve(stdout.trim() === '' ? {} : JSON.parse(stdout));
    });
  });
}
