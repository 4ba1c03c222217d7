/** Whether this machine can be several hosts: the user, the programs and the kernel it takes, each with what to do when it is missing. */
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { CliError } from '../../errors.ts';

/** By the package of Debian that brings them. */
const programs: Readonly<Record<string, string>> = {
  dockerd: 'docker.io',
  containerd: 'containerd',
  ip: 'iproute2',
  iptables: 'iptables',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  mount: 'mount',
  umount: 'mount',
};

export interface Requirements {
  readonly userId: number | undefined;
  readonly path: string | undefined;
}

/** Rejects with a CliError that names all that is missing. */
export async function requireHosts({ userId, path = '' }: Requirements): Promise<void> {
  if (userId !== 0) {
    throw new CliError('several hosts on one machine take root: namespaces, links and engines are made for them', {
      next: 'run it as root, for example with sudo',
    });
  }
  const folders = path.split(delimiter);
  const missing: string[] = [];
  for (const name of Object.keys(programs)) if (!(await isIn(folders, name))) missing.push(name);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((name) => programs[name] ?? name))].join(' ');
  throw new CliError(`several hosts on one machine take programs that are not here: ${missing.join(', ')}`, {
    next: `install them (on Debian: apt-get install ${packages}), and have /usr/sbin and /sbin in PATH`,
  });
}

async function isIn(folders: readonly string[], name: string): Promise<boolean> {
  const found = await Promise.all(
    folders.map((folder) =>
      access(join(folder, name), constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}
