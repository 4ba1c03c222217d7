/** Control's trust over a store in memory, a folder of the test's own and a manual clock; and machines that ask for certificates. */
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newActivation, type NewActivation } from '#control/trust/activations.ts';
import { createTrust, type Trust } from '#control/trust/trust.ts';
import type { Store } from '#control/store/store.ts';
import type { Clock } from '#lib/clock.ts';
import { systemIds } from '#lib/ids.ts';
import type { Logger } from '#lib/logger.ts';
import { silentLogger } from '#lib/logger.ts';
import { makeRequest } from '#lib/x509.ts';
import type { JoinAnswer, JoinRequest } from '#protocol/trust/messages.ts';
import { aCluster } from './builders/a-cluster.ts';
import { hardwareWithBoard } from './hardware.ts';
import { ManualClock } from './manual-clock.ts';
import { createMemoryStore } from './memory-store/memory-store.ts';

/** For servers that have no TLS: nothing asks it. */
export const noTrust: Pick<Trust, 'judge'> = {
  judge: () => ({ kind: 'refused', reason: 'there is no TLS here' }),
};

export interface Joined {
  readonly machineId: string;
  readonly keyPem: string;
  readonly answer: JoinAnswer;
  readonly der: Uint8Array;
  readonly serial: string;
}

export interface TrustWorld {
  readonly home: string;
  readonly store: Store;
  readonly trust: Trust;
  /** Another process on the same folder and store. */
  restarted(): Trust;
  invite(wanted?: Partial<NewActivation>): Promise<{ activationId: string; activationCode: string }>;
  request(overrides?: Partial<JoinRequest>): Promise<{ keyPem: string; request: JoinRequest }>;
  /** Invites and joins. */
  join(overrides?: Partial<JoinRequest>): Promise<Joined>;
  dispose(): Promise<void>;
}

export interface TrustWorldOptions {
  readonly clock?: Clock;
  readonly store?: Store;
  readonly names?: readonly string[];
  readonly logger?: Logger;
}

export const machineOne = '11111111-1111-4111-8111-111111111111';
export const machineTwo = '22222222-2222-4222-8222-222222222222';

export async function trustWorld(options: TrustWorldOptions = {}): Promise<TrustWorld> {
  const { clock = new ManualClock(), store = createMemoryStore(), names = [], logger = silentLogger } = options;
  const home = mkdtempSync(join(tmpdir(), 'berth-trust-'));
  await store.write((tx) => tx.clusters.put(aCluster()));
  const restarted = (): Trust => createTrust({ home, names, store, clock, ids: systemIds, logger });
  const trust = restarted();
  await trust.open();

  const world: TrustWorld = {
    home,
    store,
    trust,
    restarted,
    async invite(wanted = {}) {
      const { activation, activationCode } = newActivation(systemIds, clock.now(), {
        clusterName: 'default',
        tags: [],
        iamRole: 'berth',
        registrationLimit: 1,
        expiresAt: clock.now() + 60 * 60 * 1000,
        ...wanted,
      });
      await store.write((tx) => tx.activations.put(activation));
      return { activationId: activation.activationId, activationCode };
    },
    async request(overrides = {}) {
      const { keyPem, request: csr } = await makeRequest();
      const request = {
        activationId: '',
        activationCode: '',
        csr,
        machineId: machineOne,
        hostname: 'host-1',
        fingerprint: hardwareWithBoard('of-host-1'),
        ...overrides,
      };
      return { keyPem, request };
    },
    async join(overrides = {}) {
      const { keyPem, request } = await world.request({ ...(await world.invite()), ...overrides });
      const outcome = await trust.join(request);
      if (outcome.kind === 'refused') throw new Error(`${outcome.code}: ${outcome.message}`);
      const certificate = new X509Certificate(outcome.answer.certificate);
      return {
        machineId: request.machineId,
        keyPem,
        answer: outcome.answer,
        der: certificate.raw,
        serial: certificate.serialNumber.toLowerCase(),
      };
    },
    async dispose() {
      await store.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
  return world;
}
