/** At rest each task set has its share of the service's tasks, or says what it waits for. */
import type { Service } from '#model/service.ts';
import { isTaskSet, type TaskSet } from '#model/task-set.ts';
import type { RestView, Problem } from './rest-view.ts';

export interface TaskSetQuestions {
  isRunnable(taskDefinitionArn: string, view: RestView): boolean;
  hasNoRoom(service: Service, view: RestView, taskDefinitionArn: string): boolean;
}

export function taskSetProblems(service: Service, view: RestView, questions: TaskSetQuestions): Problem[] {
  return service.deployments.filter(isTaskSet).flatMap((set) => problemsOf(service, set, view, questions));
}

function problemsOf(service: Service, set: TaskSet, view: RestView, questions: TaskSetQuestions): Problem[] {
  const live = view.rows.liveOf(service.serviceName).filter(({ deploymentId }) => deploymentId === set.id);
  const running = live.filter(({ lastStatus }) => lastStatus === 'RUNNING').length;
  const name = `task set ${set.id} of ${service.serviceName}`;
  if (set.taskSet.draining) return [{ invariant: 'I12', what: `${name} is deleted and still there` }];
  const wanted = Math.ceil(Math.round(service.desiredCount * set.taskSet.scalePercent * 1000) / 100_000);
  if (running === wanted && live.length === wanted) return [];
  const state = `${name}: ${running} of ${wanted} tasks RUNNING, ${live.length} live`;
  if (set.waiting === undefined) return [{ invariant: 'I8', what: `${state}, and says nothing of why` }];
  const { taskDefinitionArn } = set;
  if (!questions.isRunnable(taskDefinitionArn, view) || questions.hasNoRoom(service, view, taskDefinitionArn))
    return [];
  if (live.some(({ protectedUntil = 0 }) => protectedUntil > view.controlNow)) return [];
  return [{ invariant: 'I12', what: `${state}, waiting for ${set.waiting.reason}` }];
}
