import { describe, expect, it } from 'vitest';
import { nextFigures, takeWindow, type Figures } from '#agent/stats/figures.ts';
import { noTraffic } from '#agent/stats/container-stats.ts';
import { renderEngineStats } from '#agent/stats/render-engine-stats.ts';
import { idleStats } from '#test/support/builders/container-stats.ts';

function stats(readAt: number, { cpuNs = 0, rxBytes = 0, writeBytes = 0, usageBytes = 1000 } = {}) {
  const idle = idleStats(readAt);
  return idleStats(readAt, {
    cpu: { ...idle.cpu, totalNs: cpuNs },
    memory: { ...idle.memory, usageBytes },
    networks: { eth0: { ...noTraffic, rxBytes } },
    block: [{ major: 8, minor: 0, readBytes: 0, writeBytes, reads: 0, writes: 0 }],
  });
}

const second = 1e9;

/** A container that was started at 0 and, when a sample says so, again later. */
function after(...samples: (Parameters<typeof stats>[1] & { at: number; startedAt?: number })[]): Figures {
  let figures: Figures | undefined;
  for (const { at, startedAt = 0, ...values } of samples) figures = nextFigures(figures, stats(at, values), startedAt);
  if (figures === undefined) throw new Error('no sample was given');
  return figures;
}

describe('the first sample', () => {
  it('has levels and no rates, because one point has no slope', () => {
    const figures = after({ at: 1000, cpuNs: 5 * second, rxBytes: 100 });
    expect(figures.window).toEqual({
      memoryBytes: { min: 1000, max: 1000, sum: 1000, sampleCount: 1 },
      pids: { min: 1, max: 1, sum: 1, sampleCount: 1 },
    });
    expect(figures).not.toHaveProperty('rates');
    expect(figures.totals).toMatchObject({ cpuNs: 5 * second, rxBytes: 100 });
  });
});

describe('later samples', () => {
  it('make stat sets of rates, additions and levels', () => {
    const figures = after(
      { at: 0 },
      { at: 10_000, cpuNs: 5 * second, rxBytes: 1000, usageBytes: 3000 },
      { at: 20_000, cpuNs: 6 * second, rxBytes: 1500, usageBytes: 2000 },
    );
    expect(figures.window).toMatchObject({
      cpuUnits: { min: 102.4, max: 512, sum: 614.4, sampleCount: 2 },
      memoryBytes: { min: 1000, max: 3000, sum: 6000, sampleCount: 3 },
      rxBytes: { min: 500, max: 1000, sum: 1500, sampleCount: 2 },
      rxBytesPerSecond: { min: 50, max: 100, sampleCount: 2 },
    });
    expect(figures.rates).toMatchObject({ cpuUnits: 102.4, rxBytesPerSecond: 50 });
  });

  it('go on from the totals after a restart of the container', () => {
    const figures = after(
      { at: 0, rxBytes: 1000, writeBytes: 50 },
      { at: 5000, rxBytes: 3000, writeBytes: 50 },
      { at: 10_000, startedAt: 8000, rxBytes: 400, writeBytes: 10 },
    );
    expect(figures.totals).toMatchObject({ rxBytes: 3400, writeBytes: 60 });
    expect(figures).not.toHaveProperty('previous');
  });

  it('have no rate when the clock stood still or went back', () => {
    expect(after({ at: 5000 }, { at: 5000, rxBytes: 10 })).not.toHaveProperty('rates');
    expect(after({ at: 5000 }, { at: 1000, rxBytes: 10 }).totals.rxBytes).toBe(10);
  });
});

it('a window that is taken begins anew, and the totals stay', () => {
  const { window, rest } = takeWindow(after({ at: 0 }, { at: 10_000, rxBytes: 10 }));
  expect(window.rxBytes?.sum).toBe(10);
  expect(rest.window).toEqual({});
  expect(rest.totals.rxBytes).toBe(10);
});

describe('as the engine would say it', () => {
  const identity = { engineId: 'c0ffee', engineName: 'ecs-web-1-app' };

  it('has both samples, so that a share of the processor can be reckoned, and the rate of the network', () => {
    const figures = after({ at: 1000, cpuNs: second }, { at: 11_000, cpuNs: 2 * second, rxBytes: 1000 });
    expect(renderEngineStats(figures, identity)).toMatchObject({
      read: '1970-01-01T00:00:11.000Z',
      preread: '1970-01-01T00:00:01.000Z',
      id: 'c0ffee',
      name: '/ecs-web-1-app',
      cpu_stats: { cpu_usage: { total_usage: 2 * second }, system_cpu_usage: 22 * second, online_cpus: 2 },
      precpu_stats: { cpu_usage: { total_usage: second }, system_cpu_usage: 2 * second },
      memory_stats: { usage: 1000, limit: 8_000_000, stats: { inactive_file: 0 } },
      networks: { eth0: { rx_bytes: 1000, tx_bytes: 0 } },
      network_rate_stats: { rx_bytes_per_sec: 100, tx_bytes_per_sec: 0 },
      pids_stats: { current: 1 },
    });
  });

  it('has no rate of the network before the second sample', () => {
    const rendered = renderEngineStats(after({ at: 1000 }), identity);
    expect(rendered).not.toHaveProperty('network_rate_stats');
    expect(rendered.preread).toBe('0001-01-01T00:00:00Z');
  });
});
