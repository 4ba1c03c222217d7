/**
 * The sizes a task of launch type FARGATE may have, and what such a task may not ask for. ECS refuses volumes of the engine too; here they are
 * allowed, because every machine has them.
 */
import type { ContainerDefinition } from './container-definition.ts';
import type { EphemeralStorage } from './placement.ts';
import { parseTaskCpu, parseTaskMemory, type TaskDefinitionBody } from './task-definition.ts';

/** What a FARGATE task shows as its platform, and may ask for by name. */
export const fargatePlatform = { version: '1.4.0', family: 'Linux' } as const;
export const fargatePlatformVersions: readonly string[] = ['LATEST', fargatePlatform.version];

/** Of a task that asks for nothing else. */
export const defaultEphemeralStorage: EphemeralStorage = { sizeInGiB: 20 };

/** MiB: every `step` from `from` to `to`. By CPU units. */
const memoryByCpu: ReadonlyMap<number, { from: number; to: number; step: number; also?: number }> = new Map([
  [256, { from: 1024, to: 2048, step: 1024, also: 512 }],
  [512, { from: 1024, to: 4096, step: 1024 }],
  [1024, { from: 2048, to: 8192, step: 1024 }],
  [2048, { from: 4096, to: 16_384, step: 1024 }],
  [4096, { from: 8192, to: 30_720, step: 1024 }],
  [8192, { from: 16_384, to: 61_440, step: 4096 }],
  [16_384, { from: 32_768, to: 122_880, step: 8192 }],
]);

export function isFargateSize(size: { cpu: number; memoryMiB: number }): boolean {
  const range = memoryByCpu.get(size.cpu);
  if (range === undefined) return false;
  if (size.memoryMiB === range.also) return true;
  const { from, to, step } = range;
  return size.memoryMiB >= from && size.memoryMiB <= to && (size.memoryMiB - from) % step === 0;
}

/** Why a definition cannot run on FARGATE, in ECS's words; an empty list means it can. */
export function fargateObstacles(body: TaskDefinitionBody): string[] {
  const found: string[] = [];
  if (body.networkMode !== 'awsvpc') found.push("Fargate only supports network mode 'awsvpc'.");
  found.push(...sizeObstacles(body));
  if (body.pidMode === 'host') found.push("Fargate does not support pidMode 'host'.");
  if (body.ipcMode !== undefined) found.push('Fargate does not support ipcMode.');
  if ((body.placementConstraints ?? []).length > 0) found.push('Fargate does not support task placement constraints.');
  if ((body.inferenceAccelerators ?? []).length > 0) found.push('Fargate does not support inference accelerators.');
  for (const volume of body.volumes ?? []) {
    if (volume.host?.sourcePath !== undefined) {
      found.push(
        `Invalid setting for volume '${volume.name}'. host.sourcePath should not be set for volumes in Fargate.`,
      );
    }
  }
  for (const container of body.containerDefinitions) found.push(...containerObstacles(container, body));
  return found;
}

function sizeObstacles(body: TaskDefinitionBody): string[] {
  if (body.cpu === undefined) return ["Fargate requires that 'cpu' be defined at the task level."];
  if (body.memory === undefined) return ["Fargate requires that 'memory' be defined at the task level."];
  const cpu = parseTaskCpu(body.cpu);
  const memoryMiB = parseTaskMemory(body.memory);
  if (cpu === undefined || memoryMiB === undefined || isFargateSize({ cpu, memoryMiB })) return [];
  return [
    `No Fargate configuration exists for given values: ${cpu} CPU, ${memoryMiB} memory. See the Amazon ECS documentation for the valid values.`,
  ];
}

const fargateLogDrivers: readonly string[] = ['awslogs', 'splunk', 'awsfirelens'];

function containerObstacles(container: ContainerDefinition, body: TaskDefinitionBody): string[] {
  const found: string[] = [];
  const refuse = (what: string) =>
    found.push(`Invalid setting for container '${container.name}'. Fargate does not support ${what}.`);
  if (container.privileged === true) refuse("'privileged'");
  if ((container.dockerSecurityOptions ?? []).length > 0) refuse("'dockerSecurityOptions'");
  const linux = container.linuxParameters;
  if ((linux?.devices ?? []).length > 0) refuse("'linuxParameters.devices'");
  if (linux?.sharedMemorySize !== undefined) refuse("'linuxParameters.sharedMemorySize'");
  if (linux?.maxSwap !== undefined || linux?.swappiness !== undefined) refuse('swap settings');
  if ((container.resourceRequirements ?? []).some((requirement) => requirement.type === 'GPU'))
    refuse('GPU resource requirements');
  const driver = container.logConfiguration?.logDriver;
  if (driver !== undefined && !fargateLogDrivers.includes(driver)) refuse(`log driver '${driver}'`);
  if (driver === 'awslogs' && body.executionRoleArn === undefined) {
    found.push('Fargate requires task definition to have execution role ARN to support log driver awslogs.');
  }
  return found;
}
