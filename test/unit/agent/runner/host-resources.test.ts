/** The host's admission gate. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { createHostResources, type HostResources, type ResourceClaim } from '#agent/runner/host-resources.ts';

let host: HostResources;

beforeEach(() => {
  host = createHostResources();
  host.resize({ cpu: 1000, memoryMiB: 1000, gpuIds: ['gpu-a'] });
  host.open();
});

function claim(changes: Partial<ResourceClaim> = {}): ResourceClaim {
  return { cpu: 100, memoryMiB: 100, ports: [], gpuCount: 0, gpuIds: [], ...changes };
}

describe('a claim', () => {
  it.each([
    ['CPU', claim({ cpu: 950 }), 'RESOURCE:CPU'],
    ['memory', claim({ memoryMiB: 950 }), 'RESOURCE:MEMORY'],
    ['a port', claim({ ports: [{ port: 80, protocol: 'tcp' }] }), 'RESOURCE:PORTS'],
    ['a GPU', claim({ gpuIds: ['gpu-a'] }), 'RESOURCE:GPU'],
  ])('for %s that is held waits until it is released', (_, wanted, shortage) => {
    const holder = claim({ ports: [{ port: 80, protocol: 'tcp' }], gpuIds: ['gpu-a'] });
    expect(host.request('holder', holder, vi.fn<() => void>())).toEqual({ kind: 'admitted' });
    const retry = vi.fn<() => void>();
    const answer = host.request('waiting', wanted, retry);
    expect(answer).toMatchObject({ kind: 'waiting' });
    expect(JSON.stringify(answer)).toContain(shortage);
    expect(retry).not.toHaveBeenCalled();
    host.release('holder');
    expect(retry).toHaveBeenCalledOnce();
    expect(host.request('waiting', wanted, retry)).toEqual({ kind: 'admitted' });
  });

  it('behind one that waits is not held up', () => {
    host.request('holder', claim({ memoryMiB: 900 }), vi.fn<() => void>());
    expect(host.request('large', claim({ memoryMiB: 500 }), vi.fn<() => void>())).toMatchObject({ kind: 'waiting' });
    expect(host.request('small', claim(), vi.fn<() => void>())).toEqual({ kind: 'admitted' });
  });

  it('is asked again in order of arrival', () => {
    const order: string[] = [];
    host.request('holder', claim({ cpu: 1000 }), vi.fn<() => void>());
    host.request('first', claim({ cpu: 600 }), () => order.push('first'));
    host.request('second', claim({ cpu: 600 }), () => order.push('second'));
    host.release('holder');
    expect(order).toEqual(['first', 'second']);
  });

  it('that can never fit is refused', () => {
    expect(host.request('huge', claim({ cpu: 1001 }), vi.fn<() => void>())).toMatchObject({ kind: 'impossible' });
    expect(host.request('gpu', claim({ gpuIds: ['gpu-b'] }), vi.fn<() => void>())).toMatchObject({
      kind: 'impossible',
    });
  });

  it('of a task that holds it already is granted again, and what runs is counted whatever its size', () => {
    host.request('task', claim({ cpu: 800 }), vi.fn<() => void>());
    expect(host.request('task', claim({ cpu: 800 }), vi.fn<() => void>())).toEqual({ kind: 'admitted' });
    host.occupy('adopted', claim({ cpu: 800 }));
    expect(host.request('new', claim(), vi.fn<() => void>())).toMatchObject({ kind: 'waiting' });
  });

  it('waits until what runs was seen and the size is known', () => {
    const closed = createHostResources();
    const retry = vi.fn<() => void>();
    expect(closed.request('task', claim(), retry)).toMatchObject({ kind: 'waiting' });
    closed.open();
    expect(closed.request('task', claim(), retry)).toMatchObject({ kind: 'waiting' });
    closed.resize({ cpu: 1000, memoryMiB: 1000, gpuIds: [] });
    expect(retry).toHaveBeenCalledTimes(2);
    expect(closed.request('task', claim(), retry)).toEqual({ kind: 'admitted' });
  });
});
