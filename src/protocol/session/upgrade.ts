/**
 * How an agent gets another version of itself. Control sends the release as the text that was signed, so that both check the same bytes. An agent that
 * does not know the message goes on as it is.
 */
import { z } from 'zod';
import { parseText, type Parsed } from '../parse-text.ts';

/** `<os>-<cpu>` as Node names them. */
export const platforms = ['linux-x64', 'linux-arm64'] as const;
export type Platform = (typeof platforms)[number];

const versionText = z.string().regex(/^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$/, { error: 'expected a version' });

const artifact = z.strictObject({
  /** On control, from the root: `/dist/berth-linux-x64`. */
  path: z.string().regex(/^\/[A-Za-z0-9][A-Za-z0-9./_-]{0,199}$/),
  bytes: z
    .number()
    .int()
    .positive()
    .max(1024 * 1024 * 1024),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type ReleaseArtifact = z.infer<typeof artifact>;

export const Release = z.strictObject({
  version: versionText,
  artifacts: z.partialRecord(z.enum(platforms), artifact),
});
export type Release = z.infer<typeof Release>;

export function parseRelease(text: string): Parsed<Release> {
  return parseText(Release, text);
}

export const UpdateAgent = z.object({
  type: z.literal('updateAgent'),
  version: versionText,
  /** The text of a Release. */
  release: z.string().max(16_384),
  /** Base64, of the text, by the key of control's CA (ECDSA with SHA-256); absent where control has none. */
  signature: z.string().max(1024).exactOptional(),
});
export type UpdateAgent = z.infer<typeof UpdateAgent>;

export const AgentUpdateProgress = z.object({
  type: z.literal('agentUpdate'),
  version: versionText,
  status: z.enum(['STAGING', 'STAGED', 'UPDATING', 'FAILED']),
  reason: z.string().max(1024).exactOptional(),
});
export type AgentUpdateProgress = z.infer<typeof AgentUpdateProgress>;
