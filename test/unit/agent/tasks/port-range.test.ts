/** Ranges of container ports, from the definition to the engine and back. */
import { describe, expect, it } from 'vitest';
import { containerSpec } from '#agent/tasks/container-config.ts';
import { foldPortRanges, portRangesOf } from '#agent/tasks/port-range.ts';
import { anAgentTask } from '#test/support/builders/an-agent-task.ts';

const definition = {
  name: 'app',
  image: 'a',
  portMappings: [
    { containerPort: 80 },
    { containerPortRange: '8000-8001' },
    { containerPortRange: '53-53', protocol: 'udp' as const },
  ],
};

describe('a range of container ports', () => {
  it('is bound port by port to the host ports chosen for it', () => {
    const chosen = new Map([
      ['8000-8001/tcp', 40_000],
      ['53-53/udp', 50_000],
    ]);
    expect(containerSpec(anAgentTask({ containers: [definition] }), 'app', 'm', chosen).ports).toEqual([
      { containerPort: 80, hostPort: 0, protocol: 'tcp' },
      { containerPort: 8000, hostPort: 40_000, protocol: 'tcp' },
      { containerPort: 8001, hostPort: 40_001, protocol: 'tcp' },
      { containerPort: 53, hostPort: 50_000, protocol: 'udp' },
    ]);
  });

  it('is never left to the engine, which does not keep ports in a row', () => {
    expect(() => containerSpec(anAgentTask({ containers: [definition] }), 'app', 'm')).toThrow('8000-8001/tcp');
  });

  it('is told as one binding', () => {
    const bound = [
      { bindIP: '0.0.0.0', containerPort: 53, hostPort: 50_000, protocol: 'udp' as const },
      { bindIP: '0.0.0.0', containerPort: 80, hostPort: 32_768, protocol: 'tcp' as const },
      { bindIP: '0.0.0.0', containerPort: 8000, hostPort: 40_000, protocol: 'tcp' as const },
      { bindIP: '0.0.0.0', containerPort: 8001, hostPort: 40_001, protocol: 'tcp' as const },
    ];
    expect(foldPortRanges(definition, bound)).toEqual([
      { bindIP: '0.0.0.0', containerPort: 80, hostPort: 32_768, protocol: 'tcp' },
      { bindIP: '0.0.0.0', containerPortRange: '8000-8001', hostPortRange: '40000-40001', protocol: 'tcp' },
      { bindIP: '0.0.0.0', containerPortRange: '53-53', hostPortRange: '50000-50000', protocol: 'udp' },
    ]);
    expect(foldPortRanges(definition, [])).toEqual([]);
    expect(portRangesOf(undefined)).toEqual([]);
  });
});
