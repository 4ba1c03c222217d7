/** The part of Systems Manager through which machines join, without HTTP. */
import { beforeEach, describe, expect, it } from 'vitest';
import { answerSsm, type SsmContext } from '#control/api/ssm.ts';
import type { Store } from '#control/store/store.ts';
import { systemIds } from '#lib/ids.ts';
import { daysMs } from '#model/machine-trust.ts';
import { aCluster } from '#test/support/builders/a-cluster.ts';
import { ManualClock } from '#test/support/manual-clock.ts';
import { createMemoryStore } from '#test/support/memory-store/memory-store.ts';

let clock: ManualClock;
let store: Store;
let revoked: string[];
let context: SsmContext;
beforeEach(async () => {
  clock = new ManualClock();
  store = createMemoryStore();
  await store.write((tx) => tx.clusters.put(aCluster()));
  revoked = [];
  context = { store, clock, ids: systemIds, revoked: (machineId) => void revoked.push(machineId) };
});

const ask = async (operation: string, body: object = {}) =>
  (await answerSsm(context, operation, body)) as Record<string, unknown>;

async function activations(body: object = {}): Promise<Record<string, unknown>[]> {
  return (await ask('DescribeActivations', body))['ActivationList'] as Record<string, unknown>[];
}

describe('CreateActivation', () => {
  it('admits one machine for a day, into the default cluster, unless it is told otherwise', async () => {
    await ask('CreateActivation', { IamRole: 'role' });
    expect(await activations()).toMatchObject([
      {
        IamRole: 'role',
        RegistrationLimit: 1,
        RegistrationsCount: 0,
        CreatedDate: clock.now() / 1000,
        ExpirationDate: (clock.now() + daysMs) / 1000,
        Tags: [{ Key: 'berth:cluster', Value: 'default' }],
      },
    ]);
  });

  it('keeps the code as a hash and never tells it again', async () => {
    const { ActivationCode: code, ActivationId: id } = await ask('CreateActivation', { IamRole: 'role' });
    const kept = await store.read((tx) => tx.activations.get(String(id)));
    expect(JSON.stringify([kept, await activations()])).not.toContain(code);
  });

  it.each([
    [{}, 'ValidationException', 'IamRole'],
    [{ IamRole: 'role', RegistrationLimit: 0 }, 'ValidationException', 'RegistrationLimit'],
    [{ IamRole: 'role', RegistrationLimit: 1001 }, 'ValidationException', 'RegistrationLimit'],
    [{ IamRole: 'role', RegistrationLimit: 'many' }, 'SerializationException', 'RegistrationLimit'],
    [{ IamRole: 'role', ExpirationDate: 1 }, 'ValidationException', 'ExpirationDate'],
    [{ IamRole: 'role', Unknown: 1 }, 'ValidationException', 'Unknown'],
    [{ IamRole: 'role', Tags: [{ Key: 'aws:x', Value: '' }] }, 'ValidationException', 'aws:x'],
    [{ IamRole: 'role', Tags: [{ Key: 'berth:cluster', Value: 'gone' }] }, 'ValidationException', 'gone'],
    [
      {
        IamRole: 'role',
        Tags: [
          { Key: 'a', Value: '1' },
          { Key: 'a', Value: '2' },
        ],
      },
      'ValidationException',
      'twice',
    ],
  ])('refuses %j with %s and names %s', async (body, code, word) => {
    await expect(ask('CreateActivation', body)).rejects.toMatchObject({ code, message: expect.stringContaining(word) });
  });
});

describe('DescribeActivations', () => {
  it('filters, and shows in pages', async () => {
    for (const name of ['a', 'b', 'b']) await ask('CreateActivation', { IamRole: 'role', DefaultInstanceName: name });
    const filters = [{ FilterKey: 'DefaultInstanceName', FilterValues: ['b'] }];
    expect(await activations({ Filters: filters })).toHaveLength(2);
    const first = await ask('DescribeActivations', { MaxResults: 2 });
    expect(first['ActivationList']).toHaveLength(2);
    expect(await activations({ MaxResults: 2, NextToken: first['NextToken'] })).toHaveLength(1);
  });

  it('says which have expired', async () => {
    await ask('CreateActivation', { IamRole: 'role', ExpirationDate: clock.now() / 1000 + 60 });
    expect(await activations()).toMatchObject([{ Expired: false }]);
    await clock.advance(60_000);
    expect(await activations()).toMatchObject([{ Expired: true }]);
  });
});

describe('DeregisterManagedInstance', () => {
  it('revokes every certificate of the machine, and has its session ended', async () => {
    const certificate = {
      machineId: 'abcdef01-0000',
      clusterName: 'default',
      issuer: 'sha256:aa',
      fingerprint: 'hardware',
      hostname: 'host-1',
      issuedAt: clock.now(),
      notAfter: clock.now() + daysMs,
    };
    await store.write(async (tx) => {
      for (const serial of ['1a', '1b']) await tx.machineCertificates.put({ ...certificate, serial });
    });
    await ask('DeregisterManagedInstance', { InstanceId: certificate.machineId });
    const rows = await store.read((tx) => tx.machineCertificates.ofMachine(certificate.machineId));
    expect(rows.map(({ revokedAt }) => revokedAt)).toEqual([clock.now(), clock.now()]);
    expect(revoked).toEqual([certificate.machineId]);
    await expect(ask('DeregisterManagedInstance', { InstanceId: certificate.machineId })).rejects.toMatchObject({
      code: 'InvalidInstanceId',
    });
  });

  it('knows no other machine', async () => {
    await expect(ask('DeregisterManagedInstance', { InstanceId: 'mi-0123456789abcdef0' })).rejects.toMatchObject({
      code: 'InvalidInstanceId',
    });
    expect(revoked).toEqual([]);
  });
});

it('other operations of Systems Manager are unknown here', async () => {
  await expect(ask('GetParameter', { Name: 'x' })).rejects.toMatchObject({ code: 'UnknownOperationException' });
});
