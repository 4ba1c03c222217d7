/**
 * Bugs planted in the program's own source, each one that was made once, here or elsewhere, or that is easily made. The simulation has to find every one
 * of them, by an invariant that says what is wrong. A text that is not in its file any more fails loudly: the bug is then planted anew where the code is now.
 */
import type { SourceChange } from './mutate.ts';
import type { Invariant } from './violation.ts';

export interface Mutation extends SourceChange {
  readonly name: string;
  /** Any of these is a fair description of the harm. */
  readonly breaks: readonly Invariant[];
}

export const mutations: readonly Mutation[] = [
  {
    name: 'the floor is rounded down',
    breaks: ['I4'],
    file: 'src/control/deployments/limits.ts',
    find: 'Math.ceil((desiredCount * minimumHealthyPercent) / 100)',
    replace: 'Math.floor((desiredCount * minimumHealthyPercent) / 100)',
  },
  {
    name: 'the ceiling is rounded up',
    breaks: ['I3'],
    file: 'src/control/deployments/limits.ts',
    find: 'Math.floor((desiredCount * maximumPercent) / 100)',
    replace: 'Math.ceil((desiredCount * maximumPercent) / 100)',
  },
  {
    name: 'a failed start is counted at every look',
    breaks: ['I12', 'I6', 'I8', 'I19'],
    file: 'src/control/deployments/probation.ts',
    find: "      case 'failedToStart':\n        failedTasks += 1;",
    replace: "      case 'failedToStart':\n        probation.push(entry);\n        failedTasks += 1;",
  },
  {
    name: 'a task that starts lets the circuit breaker forget its crashes',
    breaks: ['I19'],
    file: 'src/control/deployments/probation.ts',
    find: '        ran = true;\n        quickCrashes += 1;',
    replace: '        ran = true;\n        quickCrashes = 0;',
  },
  {
    name: 'a deployment that failed goes on launching',
    breaks: ['I6', 'I19', 'I25', 'I28'],
    file: 'src/control/deployments/census.ts',
    find: "return deployment.rolloutState !== 'FAILED' && !isHeld(deployment, now);",
    replace: 'return !isHeld(deployment, now);',
  },
  {
    name: 'a way back that fails is taken back',
    breaks: ['I6'],
    file: 'src/control/deployments/giving-up.ts',
    find: 'wanted && primary.rollbackOf === undefined ? lastCompleted(older)',
    replace: 'wanted ? (lastCompleted(older) ?? older[0])',
  },
  {
    name: 'digests are found out and not used',
    breaks: ['I20'],
    file: 'src/control/deployments/pinned-images.ts',
    find: 'return pinnedImages !== undefined && Object.hasOwn(pinnedImages, name) ? pinnedImages[name] : undefined;',
    replace: 'return pinnedImages === undefined ? name.slice(0, 0) || undefined : undefined;',
  },
  {
    name: 'placement forgets tasks that are asked to stop',
    breaks: ['I7'],
    file: 'src/control/scheduler/candidate.ts',
    find: 'remaining: remainingResources(instance.resources, taking),',
    replace:
      "remaining: remainingResources(instance.resources, tasks.filter(({ desiredStatus }) => desiredStatus === 'RUNNING')),",
  },
  {
    name: 'the agent starts what does not fit beside what runs',
    breaks: ['I7'],
    file: 'src/agent/runner/host-resources.ts',
    find: 'const now = lacking(total, claim, holders.values());',
    replace: 'const now = lacking(total, claim, []);',
  },
  {
    name: 'the agent stops what a list lacks without asking',
    breaks: ['I18'],
    file: 'src/agent/session/responders.ts',
    find: 'questions.ask(number, candidates);',
    replace: 'if (candidates.length > 0) state.confirmStops(number, candidates);',
  },
  {
    name: 'control takes what it has forgotten for ended',
    breaks: ['I18'],
    file: 'src/control/sessions/stop-query.ts',
    find: "return wasForgotten(instance, receivedUnder) ? 'forgotten' : undefined;",
    replace: 'return undefined;',
  },
  {
    name: 'a state change that is repeated is written again',
    breaks: ['I11'],
    file: 'src/control/sessions/apply-task-state.ts',
    find: 'if (change.number <= task.stateChangeNumber || hasStopped(task)) return undefined;',
    replace: 'if (change.number < task.stateChangeNumber || hasStopped(task)) return undefined;',
  },
  {
    name: 'a scale-in does not ask whether a task is protected',
    breaks: ['I16'],
    file: 'src/control/deployments/rolling.ts',
    find: 'census.own.filter((task) => mayStop(task, input)),',
    replace: 'census.own,',
  },
  {
    name: 'a daemon is started beside the one that is replaced',
    breaks: ['I3'],
    file: 'src/control/deployments/daemon.ts',
    find: 'const empty = keep === undefined && outdated.length === 0 && leaving.length === 0;',
    replace: 'const empty = keep === undefined && leaving.length === 0;',
  },
  {
    name: 'a service that is deleted forgets its last deployment before its tasks have ended',
    breaks: ['I12', 'I13'],
    file: 'src/control/deployments/decide-service.ts',
    find: '  const live = tasks.filter(isLive);\n  if (live.length === 0) {',
    replace: "  const live = tasks.filter(isLive);\n  if (!live.some(({ lastStatus }) => lastStatus === 'RUNNING')) {",
  },
  {
    name: 'a drain stops tasks that belong to no service',
    breaks: ['I21'],
    file: 'src/control/deployments/drain.ts',
    find: 'const standalone = stopsStandalone(instance) ? wanted.filter(',
    replace: 'const standalone = true ? wanted.filter(',
  },
  {
    name: 'the breaker takes a number of failures for a percentage',
    breaks: ['I19'],
    file: 'src/control/deployments/circuit-breaker.ts',
    find: "if (type === 'COUNT') return Math.max(1, value);",
    replace: "if (type === 'COUNT') return Math.max(fewestFailures, value) * 2;",
  },
  {
    name: 'the breaker trips one failure early',
    breaks: ['I19'],
    file: 'src/control/deployments/circuit-breaker.ts',
    find: '>= threshold) return',
    replace: '>= threshold - 1) return',
  },
  {
    name: 'a healthy task resets the breaker although it was told not to',
    breaks: ['I19'],
    file: 'src/control/deployments/circuit-breaker.ts',
    find: 'if (breaker?.resetOnHealthyTask === false) return progress?.failures ?? 0;',
    replace: '',
  },
  {
    name: 'the deadline of a rollout is not looked at',
    breaks: ['I25'],
    file: 'src/control/deployments/giving-up.ts',
    find: "return allowed === 'never' ? undefined :",
    replace: "return allowed === 'never' || allowed < 3_600_000 ? undefined :",
  },
  {
    name: 'a way back counts its deadline from the creation of what it goes back to',
    breaks: ['I25'],
    file: 'src/control/deployments/giving-up.ts',
    find: '(rolledBackAt ?? createdAt) + allowed',
    replace: 'createdAt + allowed + (rolledBackAt ?? 0) * 0',
  },
  {
    name: 'a rollout that a user stopped goes on',
    breaks: ['I28'],
    file: 'src/control/deployments/giving-up.ts',
    find: 'if (primary.stopRequest !== undefined) {',
    replace: 'if (primary.stopRequest !== undefined && primary.failedTasks > 1000) {',
  },
  {
    name: 'a rollout that was aborted is rolled back',
    breaks: ['I28'],
    file: 'src/control/deployments/giving-up.ts',
    find: "primary.stopRequest.type === 'ROLLBACK'",
    replace: 'rollsBack(service)',
  },
  {
    name: 'the deadline of a drain is not looked at',
    breaks: ['I26'],
    file: 'src/control/deployments/drain.ts',
    find: 'return after === undefined || drainingSince === undefined ?',
    replace: 'return after === undefined || drainingSince === undefined || after > 0 ?',
  },
  {
    name: 'the deadline of a drain is taken for its beginning',
    breaks: ['I26', 'I21'],
    file: 'src/control/deployments/drain.ts',
    find: 'undefined : drainingSince + after;',
    replace: 'undefined : drainingSince + after * 0;',
  },
  {
    name: 'a lost task is waited for a few minutes only',
    breaks: ['I17'],
    file: 'src/control/reconciler/instances.ts',
    find: 'export const givenUpAfterMs = 24 * 60 * 60 * 1000;',
    replace: 'export const givenUpAfterMs = 4 * 60 * 1000;',
  },
  {
    name: 'a service that is spread unevenly stays so',
    breaks: ['I27'],
    file: 'src/control/deployments/rebalancing.ts',
    find: 'return atRest ? nextMove(input) : { actions: [] };',
    replace: 'return atRest && input.primary.createdAt < 0 ? nextMove(input) : { actions: [] };',
  },
  {
    name: 'a task is moved where it makes the spread no better',
    breaks: ['I12', 'I8'],
    file: 'src/control/scheduler/rebalance.ts',
    find: 'const leastGain = 2;',
    replace: 'const leastGain = 1;',
  },
];
