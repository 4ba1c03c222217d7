/**
 * Tests on Debian 13's Docker Engine 26.1, whatever the machine itself has: `node test/hosts/engine-26.ts ARGUMENT...`, the arguments are vitest's. The
 * tests run in the engine's network namespace with DOCKER_HOST set. Ends with vitest's exit code.
 */
import { createDockerEngine } from '#agent/engine/docker.ts';
import { systemClock } from '#lib/clock.ts';
import { debianTree } from './debian-tree.ts';
import { runTestsIn } from './tests-in-namespace.ts';
import { startTreeEngine } from './tree-engine.ts';

const place = await debianTree('engine-26');
await using engine = await startTreeEngine('engine-26', `${place}/tree`);
const client = createDockerEngine({ dockerHost: engine.host, clock: systemClock });
const { version, apiVersion } = await client.describe();
client.close();
process.stderr.write(`On Docker Engine ${version} (API ${apiVersion}):\n`);
process.exitCode = await runTestsIn(engine.namespace, process.argv.slice(2), { DOCKER_HOST: engine.host });
