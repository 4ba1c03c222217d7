/** Builds the ContainerSpec of a test: everything plain unless the test says otherwise. */
import type { ContainerSpec } from '#agent/tasks/container-spec.ts';

const mebibyte = 1024 * 1024;

/** Bridge network, 32 MiB, no ports, no health check. */
export function containerSpec(
  overrides: Partial<ContainerSpec> & Pick<ContainerSpec, 'name' | 'image'>,
): ContainerSpec {
  return {
    environment: [],
    labels: {},
    network: 'bridge',
    ports: [],
    mounts: [],
    volumesFrom: [],
    links: [],
    cpuShares: 2,
    memoryBytes: 32 * mebibyte,
    privileged: false,
    readonlyRootFilesystem: false,
    tty: false,
    openStdin: false,
    init: false,
    capAdd: [],
    capDrop: [],
    dnsServers: [],
    dnsSearchDomains: [],
    extraHosts: [],
    securityOptions: [],
    ulimits: [],
    sysctls: {},
    logOptions: {},
    healthCheck: 'none',
    ...overrides,
  };
}
