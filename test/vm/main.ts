/**
 * `npm run test:vm`: the agent on a machine of its own kernel. Boots the machine, runs the tests of this folder in its LAN (arguments are vitest's) and takes
 * everything down. Ends with vitest's exit code.
 */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '#lib/clock.ts';
import { fillRelease } from '#test/support/release.ts';
import { debianTree } from '../hosts/debian-tree.ts';
import { runTestsIn } from '../hosts/tests-in-namespace.ts';
import { bootVm } from '../hosts/vm.ts';
import { accessVariable } from './machine.ts';

const root = resolve(import.meta.dirname, '../..');

if (process.arch !== 'x64')
  throw new Error(`the emulated machine runs programs for x64; this one has those for ${process.arch}`);

const place = await debianTree('vm');
const payload = await mkdtemp(join(tmpdir(), 'berth-vm-payload-'));
await using own = new AsyncDisposableStack();
own.defer(() => rm(payload, { recursive: true }));
await fillRelease(payload);
await cp(join(root, 'systemd'), join(payload, 'systemd'), { recursive: true });

const begun = systemClock.now();
const vm = own.use(await bootVm(place, payload));
const environment = { [accessVariable]: JSON.stringify(vm.access) };
process.exitCode = await runTestsIn(vm.namespace, ['--project', 'vm', ...process.argv.slice(2)], environment);
const minutes = ((systemClock.now() - begun) / 60_000).toFixed(1);
process.stderr.write(`The machine lived for ${minutes} minutes and took ${await vm.peakMemoryMiB()} MiB at most.\n`);
if (process.exitCode !== 0) {
  const lines = (await vm.console()).split('\n').slice(-20);
  process.stderr.write(`The end of its console:\n${lines.join('\n')}\n`);
}
