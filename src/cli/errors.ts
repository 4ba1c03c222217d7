/** What a person reads when a command fails: what went wrong, then what to do next. */

export class CliError extends Error {
  readonly next: string | undefined;
  readonly exitCode: number;
  constructor(message: string, options: { next?: string; cause?: unknown; exitCode?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CliError';
    this.next = options.next;
    this.exitCode = options.exitCode ?? 1;
  }
}

const adviceByCode: Readonly<Record<string, string>> = {
  ClusterNotFoundException: 'see `berth cluster list`, or create it with `berth cluster create <name>`',
  ServiceNotFoundException: 'see `berth service list`',
  ServiceNotActiveException: 'the service was deleted; create it anew with `berth service create`',
  UnrecognizedClientException: 'the access key is not known to this cluster; see `berth env`',
  InvalidSignatureException: 'the secret key is wrong, or the clocks differ by more than five minutes; see `berth env`',
  MissingAuthenticationTokenException: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; see `berth env`',
  TargetNotConnectedException: 'see `berth instance list`: the agent of the task’s instance has to be connected',
  ResourceInUseException: 'see what uses it with `berth service list` and `berth task list`',
};

/** ECS has no code of its own for these. */
const adviceByMessage: Readonly<Record<string, string>> = {
  'TaskDefinition not found.': 'see `berth taskdef list`',
  'Unable to describe task definition.': 'see `berth taskdef list`',
  'TaskDefinition is inactive': 'see `berth taskdef list`, or register it anew with `berth taskdef register <file>`',
};

const connectionCodes = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EHOSTUNREACH', 'ETIMEDOUT']);

/** The server is not known by what is trusted here. */
const strangerCodes = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
]);

/** Of the error itself, or of what `fetch` keeps behind its own. */
function deepCodeOf(error: unknown): string | undefined {
  return codeOf(error) ?? (error instanceof Error ? codeOf(error.cause) : undefined);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Turns whatever was thrown into a message and advice; `endpoint` is where the request went. */
export function explain(
  error: unknown,
  endpoint: string | undefined,
): { message: string; code: string; next?: string; exitCode: number } {
  if (error instanceof CliError) {
    return {
      message: error.message,
      code: 'CliError',
      exitCode: error.exitCode,
      ...(error.next === undefined ? {} : { next: error.next }),
    };
  }
  if (!(error instanceof Error)) return { message: String(error), code: 'Error', exitCode: 1 };
  const code = codeOf(error);
  if (code !== undefined && connectionCodes.has(code)) {
    return {
      message: `cannot reach the control service${endpoint === undefined ? '' : ` at ${endpoint}`}: ${error.message || code}`,
      code,
      next: 'is it running? see `berth dev status`, or check AWS_ENDPOINT_URL',
      exitCode: 1,
    };
  }
  const deepCode = deepCodeOf(error);
  if (deepCode !== undefined && strangerCodes.has(deepCode)) {
    return {
      message: `the control service${endpoint === undefined ? '' : ` at ${endpoint}`} shows a certificate that is not trusted here (${deepCode})`,
      code: deepCode,
      next: 'set AWS_CA_BUNDLE to the file of its authority: `berth env --tls` on its machine makes one',
      exitCode: 1,
    };
  }
  const next = adviceByCode[error.name] ?? adviceByMessage[error.message];
  return {
    message: error.message || error.name,
    code: error.name,
    exitCode: 1,
    ...(next === undefined ? {} : { next }),
  };
}
