/**
 * `npm run bench`: what Berth takes of time beside the engine it works with (beside-engine.ts), and what an agent takes of its machine
 * (agent-cost.ts), on an engine of the bench's own. `-- --only engine` or `-- --only agent` does one of them, `--quick` less of each, and
 * `--json FILE` keeps the figures. The exit code tells whether every target was met.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startOwnEngine } from '#test/support/own-engine.ts';
import { buildProgram } from '#test/support/processes.ts';
import { buildTestImage } from '#test/support/test-images.ts';
import { agentCostRows, measureAgentCost, memoryLines } from './agent-cost.ts';
import { compare, comparisonRows, swarmLines } from './beside-engine.ts';
import { isMet, lineOf, note, type Row } from './table.ts';

const parts = ['engine', 'agent'] as const;
const efforts = {
  full: {
    engine: { single: 25, many: 4, idleSeconds: 60 },
    agent: { restSeconds: 60, rounds: 5 },
  },
  quick: {
    engine: { single: 5, many: 1, idleSeconds: 10 },
    agent: { restSeconds: 30, rounds: 2 },
  },
};

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { json: { type: 'string' }, quick: { type: 'boolean', default: false }, only: { type: 'string' } },
  });
  const chosen = parts.filter((part) => values.only === undefined || values.only === part);
  if (chosen.length === 0) {
    note(`--only takes ${parts.join(' or ')}, not ${values.only}`);
    return 2;
  }
  const effort = values.quick ? efforts.quick : efforts.full;
  const folder = await mkdtemp(join(tmpdir(), 'berth-bench-'));
  await buildProgram();
  const engine = await startOwnEngine('bench');
  const rows: Row[] = [];
  const remarks: string[] = [];
  const results: Record<string, unknown> = {};
  try {
    await buildTestImage(engine.host);
    if (chosen.includes('engine')) {
      const comparison = await compare(engine, folder, effort.engine);
      rows.push(...comparisonRows(comparison));
      remarks.push(...swarmLines(comparison));
      Object.assign(results, comparison);
    }
    if (chosen.includes('agent')) {
      const cost = await measureAgentCost(engine, join(folder, 'agent-cost'), effort.agent);
      rows.push(...agentCostRows(cost));
      remarks.push(...memoryLines(cost));
      Object.assign(results, { agentCost: cost });
    }
    process.stdout.write(`${[...rows.map(lineOf), ...remarks].join('\n')}\n`);
    if (values.json !== undefined) await writeFile(values.json, JSON.stringify(results, undefined, 2));
    return rows.every(isMet) ? 0 : 1;
  } finally {
    await engine.close();
    await rm(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
