/** A key and its optional value, as ECS attaches them to clusters, instances, services, tasks and task definitions. */
export interface Tag {
  key: string;
  value?: string;
}
