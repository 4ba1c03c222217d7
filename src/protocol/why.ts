/**
 * The answer of `GET /berth/v1/why`: why a service, a task or a container instance is as it is. Berth's own, documented in docs/why.md. Times are
 * epoch milliseconds; texts are for people, everything that a program may want is in members of its own.
 */
import { z } from 'zod';

export const whyTopics = [
  'goal',
  'waiting',
  'placement',
  'percentages',
  'deployment',
  'delay',
  'breaker',
  'failure',
  'protection',
  'health',
  'place',
  'images',
  'container',
  'agent',
  'stop',
  'drain',
  'room',
] as const;

/** One thing worth knowing. */
const finding = z.strictObject({
  topic: z.enum(whyTopics),
  text: z.string(),
  /** Since when. */
  at: z.number().exactOptional(),
  /** When it ends or is looked at again, at the latest. */
  until: z.number().exactOptional(),
});

const missing = z.strictObject({ filter: z.string(), reason: z.string(), text: z.string() });

/** Tasks that find no place, and why. */
const placement = z.strictObject({
  /** Of a service's tasks. */
  deploymentId: z.string().exactOptional(),
  /** How many tasks find no place. */
  tasks: z.number(),
  /** How many container instances were asked, and how many of them would take one task. */
  instances: z.number(),
  fitting: z.number(),
  /** By the condition that refuses first; the order in which they are asked. */
  refusals: z.array(z.strictObject({ filter: z.string(), reason: z.string(), count: z.number(), text: z.string() })),
  /** At most three, best first, with all that each lacks. */
  nearest: z.array(
    z.strictObject({ containerInstanceArn: z.string(), hostname: z.string(), missing: z.array(missing) }),
  ),
});

const deployment = z.strictObject({
  id: z.string(),
  /** As ECS shows it; of a task set its own status. */
  status: z.string(),
  rolloutState: z.string(),
  rolloutStateReason: z.string(),
  taskDefinition: z.string(),
  desiredCount: z.number(),
  runningCount: z.number(),
  pendingCount: z.number(),
  failedTasks: z.number(),
  waitingFor: z.string().exactOptional(),
  waitingUntil: z.number().exactOptional(),
  launchesHeldUntil: z.number().exactOptional(),
  breaker: z.strictObject({ failures: z.number(), threshold: z.number() }).exactOptional(),
});

export const whyAnswer = z.strictObject({
  kind: z.enum(['service', 'task', 'instance']),
  name: z.string(),
  arn: z.string(),
  /** `ACTIVE`, `PENDING`, …: its status in ECS's words. */
  status: z.string(),
  /** The answer in one or two sentences. */
  summary: z.string(),
  findings: z.array(finding),
  placement: z.array(placement).exactOptional(),
  deployments: z.array(deployment).exactOptional(),
  /** The bounds of a rolling update in tasks. */
  limits: z.strictObject({ desired: z.number(), floor: z.number(), ceiling: z.number() }).exactOptional(),
  /** When control looks at the service again although nothing has changed. */
  nextLookAt: z.number().exactOptional(),
  /** The latest events of the service, newest first. */
  events: z.array(z.strictObject({ at: z.number(), message: z.string() })).exactOptional(),
  /** Last lines of the containers of a task that failed by themselves. */
  output: z.array(z.strictObject({ name: z.string(), lines: z.array(z.string()) })).exactOptional(),
});

export type WhyAnswer = z.output<typeof whyAnswer>;
export type WhyFinding = z.output<typeof finding>;
export type WhyPlacement = z.output<typeof placement>;
export type WhyDeployment = z.output<typeof deployment>;
