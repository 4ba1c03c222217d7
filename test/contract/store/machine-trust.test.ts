/** Activations and the certificates of machines, on every kind of store. */
import { describe, expect, it } from 'vitest';
import type { Activation, MachineCertificate } from '#model/machine-trust.ts';
import { storeKinds, useStores } from './store-kinds.ts';

function anActivation(overrides: Partial<Activation> = {}): Activation {
  return {
    activationId: 'a-1',
    codeHash: 'hash',
    clusterName: 'default',
    tags: [{ key: 'rack', value: 'a' }],
    iamRole: 'berth',
    registrationLimit: 1,
    registrationsCount: 0,
    createdAt: 1,
    expiresAt: 1_767_225_600_000,
    ...overrides,
  };
}

function aCertificate(serial: string, overrides: Partial<MachineCertificate> = {}): MachineCertificate {
  return {
    serial,
    machineId: 'machine-1',
    clusterName: 'default',
    issuer: 'sha256:aa',
    fingerprint: 'hardware',
    hostname: 'host-1',
    issuedAt: 1,
    notAfter: 100,
    ...overrides,
  };
}

describe.each(storeKinds)('$name', (kind) => {
  const stores = useStores(kind);

  describe('activations', () => {
    it('are known by id, changed and deleted', async () => {
      const store = await stores.empty();
      await store.write((tx) => tx.activations.put(anActivation()));
      expect(await store.read((tx) => tx.activations.get('a-1'))).toEqual(anActivation());
      await store.write((tx) => tx.activations.put(anActivation({ registrationsCount: 1 })));
      expect(await store.read((tx) => tx.activations.get('a-1'))).toMatchObject({ registrationsCount: 1 });
      await store.write((tx) => tx.activations.delete('a-1'));
      expect(await store.read((tx) => tx.activations.get('a-1'))).toBeUndefined();
    });

    it('are listed by id in pages, and forgotten after their end', async () => {
      const store = await stores.empty();
      await store.write(async (tx) => {
        for (const [activationId, expiresAt] of [
          ['c', 30],
          ['a', 10],
          ['b', 20],
        ] as const) {
          await tx.activations.put(anActivation({ activationId, expiresAt }));
        }
      });
      const first = await store.read((tx) => tx.activations.list({ limit: 2 }));
      expect(first.items.map(({ activationId }) => activationId)).toEqual(['a', 'b']);
      const rest = await store.read((tx) =>
        tx.activations.list({ limit: 2, ...(first.next && { after: first.next }) }),
      );
      expect(rest.items.map(({ activationId }) => activationId)).toEqual(['c']);
      expect(await store.write((tx) => tx.activations.deleteExpired(20))).toBe(2);
      expect((await store.read((tx) => tx.activations.list({ limit: 9 }))).items).toHaveLength(1);
    });

    it('are counted once by each of many who use them at the same time', async () => {
      const store = await stores.empty();
      await store.write((tx) => tx.activations.put(anActivation({ registrationLimit: 5 })));
      const use = (): Promise<boolean> =>
        store.write(async (tx) => {
          const found = await tx.activations.get('a-1');
          if (found === undefined || found.registrationsCount >= found.registrationLimit) return false;
          await tx.activations.put({ ...found, registrationsCount: found.registrationsCount + 1 });
          return true;
        });
      const used = await Promise.all(Array.from({ length: 12 }, use));
      expect(used.filter((admitted) => admitted)).toHaveLength(5);
      expect(await store.read((tx) => tx.activations.get('a-1'))).toMatchObject({ registrationsCount: 5 });
    });
  });

  describe('certificates of machines', () => {
    it('are known by serial, by machine, and by their end', async () => {
      const store = await stores.empty();
      const old = aCertificate('03', { notAfter: 50 });
      const current = aCertificate('02');
      const other = aCertificate('01', { machineId: 'machine-2', revokedAt: 7 });
      await store.write(async (tx) => {
        for (const certificate of [current, old, other]) await tx.machineCertificates.put(certificate);
      });
      await store.read(async (tx) => {
        expect(await tx.machineCertificates.get('02')).toEqual(current);
        expect(await tx.machineCertificates.get('04')).toBeUndefined();
        expect(await tx.machineCertificates.ofMachine('machine-1')).toEqual([old, current]);
        expect(await tx.machineCertificates.ofMachine('machine-3')).toEqual([]);
        expect(await tx.machineCertificates.endingAfter(50)).toEqual([other, current]);
      });
    });

    it('are revoked, and forgotten after their end', async () => {
      const store = await stores.empty();
      await store.write(async (tx) => {
        await tx.machineCertificates.put(aCertificate('01'));
        await tx.machineCertificates.put(aCertificate('02', { notAfter: 200 }));
        await tx.machineCertificates.put(aCertificate('02', { notAfter: 200, revokedAt: 9 }));
      });
      expect(await store.write((tx) => tx.machineCertificates.deleteExpired(100))).toBe(1);
      expect(await store.read((tx) => tx.machineCertificates.ofMachine('machine-1'))).toEqual([
        aCertificate('02', { notAfter: 200, revokedAt: 9 }),
      ]);
    });
  });
});
