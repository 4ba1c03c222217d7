/** An essential container `main` of a tenth of a core and 64 MiB. */
import type { ContainerDefinition } from '#model/container-definition.ts';

export function aContainerDefinition(overrides: Partial<ContainerDefinition> = {}): ContainerDefinition {
  return { name: 'main', image: 'berth-test:busybox', cpu: 100, memory: 64, essential: true, ...overrides };
}
