import { describe, expect, it } from 'vitest';
import { freeRange, hostPlace, placeIn } from '#cli/dev/hosts/place.ts';

describe('the place of hosts', () => {
  it('has names that no other folder has, and that the kernel takes for an interface', () => {
    const [one, other] = [placeIn('/srv/one/hosts', '/clone'), placeIn('/srv/other/hosts', '/clone')];
    expect(one.tag).not.toBe(other.tag);
    expect(one.tag.length).toBeLessThanOrEqual(15);
    expect(placeIn('/srv/one/hosts', '/clone')).toEqual(one);
  });

  it('gives each host a name, an address, a disk and a control group of its own', () => {
    const place = placeIn('/srv/hosts', '/clone');
    expect(hostPlace(place, '198.19.7', 2)).toEqual({
      name: 'host-2',
      folder: '/srv/hosts/host-2',
      address: '198.19.7.12',
      group: `${place.tag}-host-2`,
      socket: '/srv/hosts/host-2/docker.sock',
    });
  });
});

describe('the range of addresses', () => {
  it('is the same for the same folder, and another when this one is in use', () => {
    const first = freeRange('berth-a', []);
    expect(first).toMatch(/^198\.19\.\d+$/);
    expect(freeRange('berth-a', ['10.0.0.1', '::1'])).toBe(first);
    expect(freeRange('berth-a', [`${first}.1`])).not.toBe(first);
  });

  it('is none when all are in use', () => {
    const all = Array.from({ length: 256 }, (_, third) => `198.19.${third}.1`);
    expect(freeRange('berth-a', all)).toBeUndefined();
    expect(freeRange('berth-a', all.slice(1))).toBe('198.19.0');
  });
});
