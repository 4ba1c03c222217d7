/** Any task definition that RegisterTaskDefinition accepts by its shape, with most fields present some of the time. */
import fc from 'fast-check';
import type { ContainerDefinition } from '#model/container-definition.ts';
import type { TaskDefinitionBody, Volume } from '#model/task-definition.ts';

const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/);
const text = fc.string({ minLength: 1, maxLength: 12 });
const texts = fc.array(text, { maxLength: 3 });
const textMap = fc.dictionary(
  text.filter((key) => key !== '__proto__'),
  text,
  { maxKeys: 3 },
);
const amount = fc.integer({ min: 0, max: 100_000 });
const port = fc.integer({ min: 0, max: 65_535 });

/** Only `required` members are always there. */
function partly<T extends object, Key extends keyof T>(
  members: { [K in keyof T]: fc.Arbitrary<T[K]> },
  required: Key[],
) {
  return fc.record(members, { requiredKeys: required, noNullPrototype: true });
}

const portMapping = partly(
  {
    containerPort: port,
    hostPort: port,
    protocol: fc.constantFrom('tcp', 'udp'),
    name,
    appProtocol: fc.constantFrom('http', 'http2', 'grpc'),
    containerPortRange: fc.constant('8000-8010'),
  },
  [],
);

const container: fc.Arbitrary<ContainerDefinition> = partly(
  {
    name,
    image: text,
    cpu: amount,
    memory: amount,
    memoryReservation: amount,
    links: texts,
    portMappings: fc.array(portMapping, { maxLength: 3 }),
    essential: fc.boolean(),
    restartPolicy: partly(
      { enabled: fc.boolean(), ignoredExitCodes: fc.array(amount, { maxLength: 3 }), restartAttemptPeriod: amount },
      ['enabled'],
    ),
    entryPoint: texts,
    command: texts,
    environment: fc.array(partly({ name: text, value: fc.string() }, ['name']), { maxLength: 3 }),
    mountPoints: fc.array(partly({ sourceVolume: name, containerPath: text, readOnly: fc.boolean() }, []), {
      maxLength: 2,
    }),
    linuxParameters: partly(
      {
        capabilities: partly({ add: texts, drop: texts }, []),
        initProcessEnabled: fc.boolean(),
        sharedMemorySize: amount,
        swappiness: fc.integer({ min: 0, max: 100 }),
        tmpfs: fc.array(partly({ containerPath: text, size: amount, mountOptions: texts }, ['containerPath', 'size'])),
      },
      [],
    ),
    secrets: fc.array(fc.record({ name: text, valueFrom: text }, { noNullPrototype: true }), { maxLength: 2 }),
    dependsOn: fc.array(
      fc.record(
        { containerName: name, condition: fc.constantFrom('START', 'COMPLETE', 'SUCCESS', 'HEALTHY') },
        { noNullPrototype: true },
      ),
      { maxLength: 2 },
    ),
    stopTimeout: amount,
    user: text,
    privileged: fc.boolean(),
    dockerLabels: textMap,
    logConfiguration: partly({ logDriver: fc.constantFrom('json-file', 'awslogs', 'syslog'), options: textMap }, [
      'logDriver',
    ]),
    healthCheck: partly({ command: texts, interval: amount, retries: amount }, ['command']),
    ulimits: fc.array(
      fc.record(
        { name: fc.constantFrom('nofile', 'core'), softLimit: amount, hardLimit: amount },
        { noNullPrototype: true },
      ),
      { maxLength: 2 },
    ),
  },
  ['name', 'image'],
);

const volume: fc.Arbitrary<Volume> = partly(
  {
    name,
    host: partly({ sourcePath: text }, []),
    dockerVolumeConfiguration: partly(
      { scope: fc.constantFrom('task', 'shared'), autoprovision: fc.boolean(), driver: text, driverOpts: textMap },
      [],
    ),
    configuredAtLaunch: fc.boolean(),
  },
  ['name'],
);

export const arbitraryTaskDefinitionBody: fc.Arbitrary<TaskDefinitionBody> = partly(
  {
    family: name,
    containerDefinitions: fc.array(container, { minLength: 1, maxLength: 3 }),
    volumes: fc.array(volume, { maxLength: 3 }),
    networkMode: fc.constantFrom('bridge', 'host', 'awsvpc', 'none'),
    cpu: text,
    memory: text,
    taskRoleArn: text,
    executionRoleArn: text,
    requiresCompatibilities: fc.uniqueArray(fc.constantFrom('EC2', 'FARGATE', 'EXTERNAL')),
    runtimePlatform: partly(
      { cpuArchitecture: fc.constantFrom('X86_64', 'ARM64'), operatingSystemFamily: fc.constantFrom('LINUX') },
      [],
    ),
    pidMode: fc.constantFrom('host', 'task'),
    ephemeralStorage: fc.record({ sizeInGiB: fc.integer({ min: 21, max: 200 }) }, { noNullPrototype: true }),
    enableFaultInjection: fc.boolean(),
  },
  ['family', 'containerDefinitions'],
);
