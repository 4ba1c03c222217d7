/** Machines join a control service that runs as a process, as `berth agent join` does it. */
import { join } from '#agent/identity/join.ts';
import { systemClock, type Clock } from '#lib/clock.ts';
import { systemIds } from '#lib/ids.ts';
import { TrustDescription, trustPath } from '#protocol/trust/description.ts';
import { testKey, type Cell } from './processes.ts';
import { signedFetch } from './signed-fetch.ts';

export interface JoinMachinesOptions {
  readonly cell: Pick<Cell, 'url'>;
  /** Where the machines reach control: `https://…`. */
  readonly control: string;
  /** Of their agents. */
  readonly dataFolders: readonly string[];
  /** As control's, when that is off. */
  readonly clock?: Clock;
}

export async function joinMachines(options: JoinMachinesOptions): Promise<void> {
  const { cell, control, dataFolders, clock = systemClock } = options;
  const signed = { key: testKey, clock };
  const description = await signedFetch({ ...signed, url: `${cell.url}${trustPath}` });
  const { serving } = TrustDescription.parse(await description.json());
  const answer = await signedFetch({
    ...signed,
    url: `${cell.url}/`,
    service: 'ssm',
    target: 'AmazonSSM.CreateActivation',
    body: { IamRole: 'berth', RegistrationLimit: dataFolders.length },
  });
  const activation = (await answer.json()) as { ActivationId: string; ActivationCode: string };
  for (const [index, dataFolder] of dataFolders.entries()) {
    await join({
      control,
      caFingerprint: serving.fingerprint,
      activationId: activation.ActivationId,
      activationCode: () => Promise.resolve(activation.ActivationCode),
      dataFolder,
      machine: () => Promise.resolve({ hostname: `machine-${index + 1}`, fingerprint: `hardware-${index + 1}` }),
      clock,
      ids: systemIds,
    });
  }
}
