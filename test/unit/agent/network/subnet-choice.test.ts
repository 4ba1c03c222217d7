/** Which addresses tasks get: ranges, what the machine routes already, and the choice among what is left. */
import { describe, expect, it } from 'vitest';
import { hostRoutes } from '#agent/network/host-routes.ts';
import { formatIpv4Range, overlap, parseIpv4Range } from '#agent/network/ipv4-range.ts';
import { chooseSubnet, isTaskSubnet, type TakenRange } from '#agent/network/subnet-choice.ts';

function taken(...texts: string[]): TakenRange[] {
  return texts.flatMap((text) => {
    const range = parseIpv4Range(text);
    return range === undefined ? [] : [{ range, by: 'which is in use' }];
  });
}

describe('a range', () => {
  it.each(['0.0.0.0/0', '10.88.0.0/16', '192.168.1.128/25', '255.255.255.255/32'])('%s is read and written', (text) => {
    const range = parseIpv4Range(text);
    expect(range && formatIpv4Range(range)).toBe(text);
  });

  it.each(['10.88.0.1/16', '10.88.0.0/33', '10.88.0.256/32', '10.88.0.0', 'fd00::/8', ''])('%s is none', (text) => {
    expect(parseIpv4Range(text)).toBeUndefined();
  });

  it.each([
    ['10.0.0.0/8', '10.88.0.0/16', true],
    ['10.88.0.0/16', '10.88.255.255/32', true],
    ['10.88.0.0/16', '10.89.0.0/16', false],
  ])('%s and %s overlap: %s', (a, b, expected) => {
    const [first, second] = [parseIpv4Range(a), parseIpv4Range(b)];
    if (first === undefined || second === undefined) throw new Error('no range');
    expect([overlap(first, second), overlap(second, first)]).toEqual([expected, expected]);
  });
});

describe('the routes of a machine', () => {
  it('are read from the kernel’s table, without the default one', () => {
    const table = [
      'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
      'eth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0',
      'eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
      'docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0',
      '',
    ].join('\n');
    expect(hostRoutes(table).map(({ range, by }) => `${formatIpv4Range(range)} ${by}`)).toEqual([
      '10.0.2.0/24 which this machine routes through eth0',
      '172.17.0.0/16 which this machine routes through docker0',
    ]);
  });
});

describe('the choice', () => {
  it('is 10.88.0.0/16, or the next one that is free', () => {
    expect(chooseSubnet(undefined, [])).toEqual({ kind: 'free', subnet: '10.88.0.0/16' });
    expect(chooseSubnet(undefined, taken('10.88.3.0/24', '10.89.0.0/16'))).toEqual({
      kind: 'free',
      subnet: '10.90.0.0/16',
    });
  });

  it('is the operator’s, and says what stands in its way', () => {
    expect(chooseSubnet('192.168.7.0/24', taken('10.0.0.0/8'))).toEqual({ kind: 'free', subnet: '192.168.7.0/24' });
    expect(chooseSubnet('192.168.7.0/24', taken('192.168.0.0/16'))).toEqual({
      kind: 'taken',
      why: '192.168.7.0/24 overlaps 192.168.0.0/16, which is in use: set BERTH_TASK_SUBNET to a range that nothing on this machine uses',
    });
  });

  it('is none where a route takes all of ours', () => {
    expect(chooseSubnet(undefined, taken('10.0.0.0/8'))).toMatchObject({
      kind: 'taken',
      why: expect.stringContaining('nothing from 10.88.0.0/16 to 10.119.0.0/16 is free'),
    });
  });

  it.each([
    ['10.88.0.0/16', true],
    ['100.64.0.0/10', true],
    ['192.168.7.0/28', true],
    ['192.168.7.0/29', false],
    ['8.8.8.0/24', false],
    ['0.0.0.0/0', false],
  ])('may be set to %s: %s', (text, expected) => {
    expect(isTaskSubnet(text)).toBe(expected);
  });
});
