/** How much of a host a task asks for. */
import { describe, expect, it } from 'vitest';
import {
  parseTaskCpu,
  parseTaskMemory,
  taskGpuCount,
  taskPorts,
  taskResources,
  taskSize,
} from '#model/task-definition.ts';
import { aContainerDefinition } from '#test/support/builders/a-container-definition.ts';

describe('the size of a task', () => {
  it.each([
    ['512', 512],
    ['1 vCPU', 1024],
    ['.25 vCPU', 256],
    ['0.5 vcpu', 512],
    ['2vCPU', 2048],
    ['banana', undefined],
    ['', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['1 GB', undefined],
  ])('reads cpu %j as %j units', (text, units) => {
    expect(parseTaskCpu(text)).toBe(units);
  });

  it.each([
    ['512', 512],
    ['2 GB', 2048],
    ['0.5GB', 512],
    ['1 gb', 1024],
    ['1 vCPU', undefined],
    ['lots', undefined],
  ])('reads memory %j as %j MiB', (text, mebibytes) => {
    expect(parseTaskMemory(text)).toBe(mebibytes);
  });

  const containers = [
    aContainerDefinition({ name: 'app', cpu: 256, memory: 512, memoryReservation: 128 }),
    aContainerDefinition({ name: 'sidecar', cpu: 64, memory: 100 }),
  ];

  it('is what the task itself states', () => {
    const body = { family: 'web', containerDefinitions: containers, cpu: '1 vCPU', memory: '2 GB' };
    expect(taskSize(body)).toEqual({ cpu: 1024, memoryMiB: 2048 });
  });

  it('is else the sum over its containers, with what they reserve before what they may use', () => {
    expect(taskSize({ family: 'web', containerDefinitions: containers })).toEqual({ cpu: 320, memoryMiB: 228 });
  });

  it('follows the overrides', () => {
    const body = { family: 'web', containerDefinitions: containers };
    expect(taskSize(body, { containerOverrides: [{ name: 'app', cpu: 512, memoryReservation: 256 }] })).toEqual({
      cpu: 576,
      memoryMiB: 356,
    });
    expect(taskSize({ ...body, cpu: '256' }, { cpu: '512', memory: '1024' })).toEqual({ cpu: 512, memoryMiB: 1024 });
  });

  it('is nothing for a container that asks for nothing', () => {
    const body = { family: 'web', containerDefinitions: [{ name: 'app', image: 'web' }] };
    expect(taskResources(body)).toEqual({ cpu: 0, memoryMiB: 0, ports: [], gpuCount: 0 });
  });

  it('counts whole GPUs over all containers', () => {
    const gpus = (value: string) => ({ resourceRequirements: [{ type: 'GPU' as const, value }] });
    const body = {
      family: 'web',
      containerDefinitions: [aContainerDefinition(gpus('2')), aContainerDefinition({ name: 'b', ...gpus('1') })],
    };
    expect(taskGpuCount(body)).toBe(3);
  });
});

describe('the host ports of a task', () => {
  const containerDefinitions = [
    aContainerDefinition({
      portMappings: [
        { containerPort: 80, hostPort: 8080 },
        { containerPort: 53, hostPort: 53, protocol: 'udp' },
        { containerPort: 9000 },
        { containerPort: 9001, hostPort: 0 },
      ],
    }),
  ];

  it('are the fixed ones in bridge mode, which is the default', () => {
    expect(taskPorts({ family: 'web', containerDefinitions })).toEqual([
      { port: 8080, protocol: 'tcp' },
      { port: 53, protocol: 'udp' },
    ]);
  });

  it('are the container ports in host mode', () => {
    const ports = taskPorts({ family: 'web', containerDefinitions, networkMode: 'host' });
    expect(ports.map(({ port }) => port)).toEqual([80, 53, 9000, 9001]);
  });

  it.each(['awsvpc', 'none'] as const)('are none in mode %s', (networkMode) => {
    expect(taskPorts({ family: 'web', containerDefinitions, networkMode })).toEqual([]);
  });
});
