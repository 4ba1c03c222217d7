/**
 * A program for the tests of durability: `node writer-process.ts <address>` writes one cluster after the other for ever and prints the name of each
 * as soon as its write has resolved. With `--open-only` it opens the store, prints `opened` and ends.
 */
import { createPostgresStore } from '#control/store/postgres.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import { aCluster } from '#test/support/builders/a-cluster.ts';

const [address = '', mode] = process.argv.slice(2);
const store = address.startsWith('sqlite:')
  ? await createSqliteStore({ path: address.slice('sqlite:'.length) })
  : await createPostgresStore({ url: address });

if (mode === '--open-only') {
  process.stdout.write('opened\n');
  await store.close();
} else {
  for (let made = 1; ; made++) {
    const clusterName = `written-${made}`;
    await store.write((tx) => tx.clusters.put(aCluster({ clusterName })));
    process.stdout.write(`${clusterName}\n`);
  }
}
