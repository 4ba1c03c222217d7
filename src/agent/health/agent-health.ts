/** All checks of a machine as one health: impaired as soon as one of them is, with every reason. Pure. */
import type { Hello } from '#protocol/session/messages.ts';

export type HealthDetail = NonNullable<Hello['health']['details']>[number];

/** As long as the protocol takes. */
const longestReason = 1024;

export function agentHealth(
  problems: { readonly engine?: string; readonly journal?: string },
  machine: readonly HealthDetail[],
): Hello['health'] {
  const details = [
    detailOf('CONTAINER_RUNTIME', problems.engine),
    detailOf('AGENT_JOURNAL', problems.journal),
    ...machine,
  ];
  const impaired = details.filter(({ status }) => status === 'IMPAIRED');
  if (impaired.length === 0) return { status: 'OK', details };
  const reason = impaired.flatMap((detail) => detail.reason ?? detail.type).join('; ');
  return { status: 'IMPAIRED', reason: reason.slice(0, longestReason), details };
}

function detailOf(type: string, problem: string | undefined): HealthDetail {
  return problem === undefined
    ? { type, status: 'OK' }
    : { type, status: 'IMPAIRED', reason: problem.slice(0, longestReason) };
}
