/** Says in one sentence why no instance took a task, in ECS's words, followed by how many instances each condition refused. */

export interface ExplainedRefusal {
  instanceId: string;
  sentence: string;
  filter: string;
  explainAll(count: number): string;
  /** How many conditions the instance met before this one. */
  passed: number;
}

/** Completes "(service web) was unable to place a task". The closest match is the instance that met most conditions. */
export function explainRefusals(refusals: readonly ExplainedRefusal[]): string {
  const [first, ...others] = refusals;
  if (first === undefined) {
    return 'because no container instance met all of its requirements. Reason: No Container Instances were found in your cluster.';
  }
  let closest = first;
  for (const other of others) {
    if (other.passed > closest.passed) closest = other;
  }
  const met = 'because no container instance met all of its requirements.';
  const closestSentence = `The closest matching (container-instance ${closest.instanceId}) ${closest.sentence}.`;
  return refusals.length === 1 ? `${met} ${closestSentence}` : `${met} ${closestSentence} ${summary(refusals)}.`;
}

function summary(refusals: readonly ExplainedRefusal[]): string {
  const byFilter = Map.groupBy(refusals, (refusal) => refusal.filter);
  const parts: string[] = [];
  for (const group of byFilter.values()) {
    const [one] = group;
    if (one !== undefined) parts.push(one.explainAll(group.length));
  }
  return parts.join(', ');
}
