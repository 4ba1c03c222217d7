/** What every command gets: the client, the streams, the cluster, the clock, and the way to print a result. */
import { readFileSync } from 'node:fs';
import { ECSClient } from '@aws-sdk/client-ecs';
import type { Clock } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import { CliError } from './errors.ts';
import { findEndpoint, type CliEnvironment, type Endpoint } from './config.ts';
import { renderTable, type Column } from './output/table.ts';
import type { OutputMode, Terminal } from './output/terminal.ts';

export interface CliContext {
  environment: CliEnvironment;
  terminal: Terminal;
  clock: Clock;
  output: OutputMode;
  cluster: string;
  /** Of a command that has done its work; 0 unless it says otherwise. */
  exitCode: number;
  /** Aborted by Ctrl-C: waiting ends, the work goes on. */
  signal: AbortSignal;
  endpoint(): Endpoint;
  /** Whether `endpoint` has been found already. */
  hasEndpoint(): boolean;
  ecs(): ECSClient;
}

export interface ContextOptions {
  environment: CliEnvironment;
  terminal: Terminal;
  clock: Clock;
  signal: AbortSignal;
}

/** `output` and `cluster` are set when the command line has been parsed. */
export function createContext(options: ContextOptions): CliContext {
  let endpoint: Endpoint | undefined;
  let client: ECSClient | undefined;
  const context: CliContext = {
    ...options,
    output: 'table',
    cluster: options.environment.cluster,
    exitCode: 0,
    endpoint: () => (endpoint ??= trusted(findEndpoint(options.environment))),
    hasEndpoint: () => endpoint !== undefined,
    ecs() {
      const { url, region, accessKeyId, secretAccessKey } = context.endpoint();
      client ??= new ECSClient({
        endpoint: url,
        region,
        credentials: { accessKeyId, secretAccessKey },
        maxAttempts: 3,
      });
      return client;
    },
  };
  return context;
}

/** From here on this process knows servers by the endpoint's bundle, and by nothing else. */
function trusted(endpoint: Endpoint): Endpoint {
  const { caBundle } = endpoint;
  if (caBundle === undefined || !endpoint.url.startsWith('https:')) return endpoint;
  // Not imported: most commands need no TLS, and it takes time to load.
  const tls = process.getBuiltinModule('node:tls');
  try {
    tls.setDefaultCACertificates([readFileSync(caBundle, 'utf8')]);
  } catch (error) {
    throw new CliError(`AWS_CA_BUNDLE: ${caBundle} cannot be used: ${messageOf(error)}`, {
      cause: error,
      next: 'it is a file of certificates, PEM: `berth env` says which',
    });
  }
  return endpoint;
}

/** Prints rows as a table for people or the whole objects for programs. */
export function printList<T>(
  context: CliContext,
  options: { rows: readonly T[]; columns: readonly Column<T>[]; empty: string },
): void {
  if (context.output === 'json') return printJson(context, options.rows);
  if (options.rows.length === 0) context.terminal.note(`${options.empty}\n`);
  else context.terminal.write(renderTable(options.columns, options.rows));
}

export function printJson(context: CliContext, value: unknown): void {
  context.terminal.write(JSON.stringify(value, undefined, 2));
}

/** The result of one thing: its text for people, the whole object for programs. */
export function printOne(context: CliContext, value: unknown, text: () => string): void {
  if (context.output === 'json') printJson(context, value);
  else context.terminal.write(text());
}
