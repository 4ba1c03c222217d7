/** The hosts of a development cluster join it as machines do: each with a key and a certificate of its own, by the agent's own program. */
import { z } from 'zod';
import { TrustDescription, trustPath } from '#protocol/trust/description.ts';
import type { Endpoint } from '../../config.ts';
import { answerOf, callSsm, signedGet } from '../../signed-fetch.ts';
import { joinAgent, type ProgramOptions } from '../programs.ts';

const Activation = z.object({ ActivationId: z.string(), ActivationCode: z.string() });

export interface JoinHostsOptions {
  readonly endpoint: Endpoint;
  /** Where the hosts reach control: `https://198.19.7.1:4567`. */
  readonly control: string;
  /** The folders of their agents. */
  readonly dataFolders: readonly string[];
  readonly program: ProgramOptions;
}

/** Those that have joined already stay as they are. */
export async function joinHosts({ endpoint, control, dataFolders, program }: JoinHostsOptions): Promise<void> {
  const { signal } = program;
  const { serving } = TrustDescription.parse(await answerOf(await signedGet(endpoint, trustPath, {}, signal)));
  const input = { IamRole: 'berth', RegistrationLimit: dataFolders.length, Description: 'hosts of berth dev up' };
  const activation = Activation.parse(await callSsm(endpoint, 'CreateActivation', input, signal));
  await Promise.all(
    dataFolders.map((dataFolder) =>
      joinAgent(
        { control, caFingerprint: serving.fingerprint, activationId: activation.ActivationId, dataFolder },
        { ...program, environment: { ...program.environment, BERTH_ACTIVATION_CODE: activation.ActivationCode } },
      ),
    ),
  );
}
