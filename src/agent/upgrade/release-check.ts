/** Whether a release comes from the control service that this machine trusts. */
import { verify, X509Certificate } from 'node:crypto';
import { parseRelease, type Platform, type Release, type ReleaseArtifact } from '#protocol/session/upgrade.ts';

export interface OfferedRelease {
  readonly version: string;
  /** The text of it that was signed. */
  readonly release: string;
  readonly signature?: string;
}

export type CheckedRelease =
  | { readonly ok: true; readonly release: Release; readonly artifact: ReleaseArtifact }
  | { readonly ok: false; readonly reason: string };

/**
 * `authorities`: the certificates (PEM) of the CAs that the machine trusts; undefined where control is on this machine and speaks without TLS, so that
 * whoever could send a false release is root here already. A release for another platform alone is none for us.
 */
export function checkRelease(
  offered: OfferedRelease,
  authorities: readonly string[] | undefined,
  platform: Platform,
): CheckedRelease {
  const parsed = parseRelease(offered.release);
  if (!parsed.ok) return { ok: false, reason: `the release cannot be read: ${parsed.problem}` };
  const { message: release } = parsed;
  if (release.version !== offered.version) {
    return { ok: false, reason: `the release is ${release.version}, not ${offered.version}` };
  }
  if (authorities !== undefined && !isSigned(offered, authorities)) {
    return { ok: false, reason: 'the release is not signed by a CA that this machine trusts' };
  }
  const artifact = release.artifacts[platform];
  if (artifact === undefined) return { ok: false, reason: `control has no executable for ${platform}` };
  return { ok: true, release, artifact };
}

function isSigned({ release, signature }: OfferedRelease, authorities: readonly string[]): boolean {
  if (signature === undefined) return false;
  const bytes = Buffer.from(signature, 'base64');
  return authorities.some((pem) => {
    const { publicKey } = new X509Certificate(pem);
    return verify('sha256', Buffer.from(release), { key: publicKey, dsaEncoding: 'ieee-p1363' }, bytes);
  });
}
