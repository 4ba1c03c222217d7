import { afterEach, describe, expect, it } from 'vitest';
import { exposition, type AgentFigures } from '#agent/stats/exposition.ts';
import { nextFigures } from '#agent/stats/figures.ts';
import { createMetricsServer } from '#agent/stats/metrics-server.ts';
import { silentLogger } from '#lib/logger.ts';
import { anAgentTask, someTaskArn } from '#test/support/builders/an-agent-task.ts';
import { idleStats } from '#test/support/builders/container-stats.ts';
import { ManualClock } from '#test/support/manual-clock.ts';
import { freePort } from '#test/support/processes.ts';

const nothing: AgentFigures = {
  containers: [],
  tasks: [],
  host: undefined,
  health: { status: 'OK' },
  connected: true,
  process: { residentBytes: 50, cpuSeconds: 1.5 },
};

describe('the text for Prometheus', () => {
  it('has a series for each container and metric, labelled by what it belongs to', () => {
    const task = anAgentTask();
    const [container] = task.containers;
    if (container === undefined) throw new Error('the task has no container');
    const figures = nextFigures(undefined, idleStats(1000), 1);
    const text = exposition({ ...nothing, tasks: [task], containers: [{ task, container, figures }] });
    const labels = `{cluster="default",family="web",task="${someTaskArn.split('/').at(-1)}",container="app"}`;
    expect(text).toContain('# TYPE berth_container_cpu_seconds_total counter\n');
    expect(text).toContain(`berth_container_memory_working_set_bytes${labels} 1000000\n`);
    expect(text).toContain(`berth_container_processes${labels} 1\n`);
    expect(text).toContain('berth_agent_tasks{status="PENDING"} 1\n');
  });

  it('escapes what a label may not hold', () => {
    const task = anAgentTask({ containers: [{ name: 'a"\\b\n' }] });
    const [container] = task.containers;
    if (container === undefined) throw new Error('the task has no container');
    const figures = nextFigures(undefined, idleStats(1000), 1);
    expect(exposition({ ...nothing, containers: [{ task, container, figures }] })).toContain(
      String.raw`container="a\"\\b\n"}`,
    );
  });

  it('leaves out what is not known', () => {
    const text = exposition({
      ...nothing,
      health: { status: 'OK', details: [{ type: 'MEMORY_PRESSURE', status: 'INSUFFICIENT_DATA' }] },
    });
    expect(text).not.toContain('berth_container');
    expect(text).not.toContain('MEMORY_PRESSURE');
    expect(text).toContain('berth_agent_healthy{check="overall"} 1\n');
  });
});

describe('the server', () => {
  const servers: { stop(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop();
  });

  async function aServer() {
    const port = await freePort();
    const clock = new ManualClock();
    const server = createMetricsServer({ host: '127.0.0.1', port, text: () => 'a 1\n', clock, logger: silentLogger });
    server.start();
    servers.push(server);
    return { port, clock, server };
  }

  async function answerOf(port: number, path: string, method = 'GET'): Promise<[number, string]> {
    for (;;) {
      try {
        const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
        return [response.status, await response.text()];
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
      }
    }
  }

  it('answers GET /metrics and nothing else', async () => {
    const { port } = await aServer();
    expect(await answerOf(port, '/metrics')).toEqual([200, 'a 1\n']);
    expect((await answerOf(port, '/'))[0]).toBe(404);
    expect((await answerOf(port, '/metrics', 'POST'))[0]).toBe(404);
  });
});
