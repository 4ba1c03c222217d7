/** What control tells people who administer it of whom it trusts: `GET /berth/v1/trust`, and `POST /berth/v1/trust/rotation` to replace its authority. */
import { z } from 'zod';

export const trustPath = '/berth/v1/trust';
export const rotationPath = '/berth/v1/trust/rotation';

const authority = z.object({
  /** `sha256:…` over the DER of its certificate. */
  fingerprint: z.string(),
  /** ISO 8601. */
  notAfter: z.string(),
});

const waitingMachine = z.object({
  machineId: z.string(),
  hostname: z.string(),
  /** ISO 8601: until when its certificate holds. */
  notAfter: z.string(),
});

export const TrustDescription = z.object({
  /** By which control shows itself: the fingerprint that joining machines are given. */
  serving: authority,
  /** By which machines get certificates: another one while a rotation is under way. */
  issuing: authority,
  /** Machines that have not shown a certificate by `issuing` yet. */
  waiting: z.array(waitingMachine),
  /** PEM of what machines and clients are to trust. */
  bundle: z.string(),
  /** Absent where control is reached from its own machine alone. `given`: those of `names` that control was told. */
  tls: z
    .object({ port: z.number().int(), names: z.array(z.string()), given: z.array(z.string()), notAfter: z.string() })
    .exactOptional(),
});
export type TrustDescription = z.infer<typeof TrustDescription>;

export const RotationRequest = z.strictObject({
  step: z.enum(['begin', 'finish']),
  /** Finish although machines would be cut off. */
  force: z.boolean().exactOptional(),
});
export type RotationRequest = z.infer<typeof RotationRequest>;
