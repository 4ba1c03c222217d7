/** The `containerPortRange`s of a container: which host ports it needs in a row, and how they are told once the engine has bound them. */
import type { ContainerDefinition } from '#model/container-definition.ts';
import type { TransportProtocol } from '#model/resources.ts';
import { portRange } from '#model/task-definition.ts';
import type { NetworkBinding } from '#model/task.ts';

export interface PortRange {
  /** `8000-8010/tcp` */
  key: string;
  /** As the definition has it, `8000-8010`. */
  text: string;
  first: number;
  length: number;
  protocol: TransportProtocol;
}

export function portRangesOf(definition: ContainerDefinition | undefined): PortRange[] {
  return (definition?.portMappings ?? []).flatMap(({ containerPortRange: text, protocol = 'tcp' }) => {
    const range = text === undefined ? undefined : portRange(text);
    if (text === undefined || range === undefined) return [];
    return { key: `${text}/${protocol}`, text, first: range.first, length: range.last - range.first + 1, protocol };
  });
}

/** As ECS tells them: one binding for a whole range in place of one for each of its ports. */
export function foldPortRanges(
  definition: ContainerDefinition | undefined,
  bindings: readonly NetworkBinding[],
): NetworkBinding[] {
  let left = [...bindings];
  const folded: NetworkBinding[] = [];
  for (const { text, first, length, protocol } of portRangesOf(definition)) {
    const isInside = ({ containerPort = 0, protocol: own = 'tcp' }: NetworkBinding): boolean =>
      own === protocol && containerPort >= first && containerPort < first + length;
    const [start] = left.filter((one) => isInside(one) && one.containerPort === first);
    if (start?.hostPort === undefined) continue;
    left = left.filter((one) => !isInside(one));
    folded.push({
      ...(start.bindIP === undefined ? {} : { bindIP: start.bindIP }),
      containerPortRange: text,
      hostPortRange: `${start.hostPort}-${start.hostPort + length - 1}`,
      protocol,
    });
  }
  return [...left, ...folded];
}
