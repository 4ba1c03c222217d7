/**
 * The syntax tree of the cluster query language, with which `memberOf` constraints and ListContainerInstances choose instances:
 * `attribute:ecs.os-type == linux and (runningTasksCount < 4 or not task:group == service:web)`.
 * The parser is query-parser.ts, the meaning query-evaluator.ts.
 */

export type QueryOperator =
  | 'equals'
  | 'not_equals'
  | 'greater_than'
  | 'greater_than_equal'
  | 'less_than'
  | 'less_than_equal'
  | 'exists'
  | 'not_exists'
  | 'in'
  | 'not_in'
  | 'matches'
  | 'not_matches';

/** Facts of an instance that are no attributes. */
export const querySubjects = [
  'agentConnected',
  'agentVersion',
  'ec2InstanceId',
  'registeredAt',
  'runningTasksCount',
  'task:group',
] as const;

export type QuerySubject =
  | { kind: 'fact'; fact: (typeof querySubjects)[number] }
  | { kind: 'attribute'; attribute: string };

export type Query =
  | { kind: 'or'; left: Query; right: Query }
  | { kind: 'and'; left: Query; right: Query }
  | { kind: 'not'; operand: Query }
  | { kind: 'presence'; subject: QuerySubject; present: boolean }
  | { kind: 'comparison'; subject: QuerySubject; operator: ComparisonOperator; value: string }
  | { kind: 'membership'; subject: QuerySubject; values: readonly string[]; member: boolean }
  | { kind: 'pattern'; subject: QuerySubject; pattern: RegExp; matches: boolean };

export type ComparisonOperator = Extract<
  QueryOperator,
  'equals' | 'not_equals' | 'greater_than' | 'greater_than_equal' | 'less_than' | 'less_than_equal'
>;
