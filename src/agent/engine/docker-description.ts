/** What the engine says about itself and about images, parsed from its own JSON. Pure. */
import { z } from 'zod';
import { parseIsoTime } from '#lib/iso-time.ts';
import type { EngineDescription, ImageDescription, ListedImage } from './container-engine.ts';
import { parseImageReference } from '#model/image-reference.ts';

const Info = z.object({
  DockerRootDir: z.string().default(''),
  Driver: z.string().default(''),
  CgroupDriver: z.string().default(''),
  CgroupVersion: z.string().default('1'),
  Plugins: z.object({ Log: z.array(z.string()).nullish(), Volume: z.array(z.string()).nullish() }).default({}),
  SecurityOptions: z.array(z.string()).nullish(),
});

const Version = z.object({ Version: z.string(), ApiVersion: z.string(), Os: z.string(), Arch: z.string() });

/** From the bodies of `/info` and `/version`. Throws a ZodError when they are not what an engine answers. */
export function descriptionOf(info: unknown, version: unknown): EngineDescription {
  const facts = Info.parse(info);
  const { Version: product, ApiVersion, Os, Arch } = Version.parse(version);
  return {
    version: product,
    apiVersion: ApiVersion,
    os: Os,
    architecture: Arch,
    rootDirectory: facts.DockerRootDir,
    storageDriver: facts.Driver,
    cgroupDriver: facts.CgroupDriver,
    cgroupVersion: facts.CgroupVersion === '2' ? '2' : '1',
    logDrivers: facts.Plugins.Log ?? [],
    volumeDrivers: facts.Plugins.Volume ?? [],
    // Each is a list like `name=seccomp,profile=default`.
    securityOptions: (facts.SecurityOptions ?? []).map((option) => /^name=([^,]*)/.exec(option)?.[1] ?? option),
  };
}

const Image = z.object({
  Id: z.string(),
  Size: z.number(),
  Created: z.string().nullish(),
  RepoDigests: z.array(z.string()).nullish(),
  Config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }).nullish(),
});

/** `reference` chooses among the digests of an image that has several names. Throws a ZodError like `descriptionOf`. */
export function imageDescriptionOf(body: unknown, reference: string): ImageDescription {
  const image = Image.parse(body);
  const digest = digestOf(image.RepoDigests ?? [], reference);
  return {
    id: image.Id,
    sizeBytes: image.Size,
    createdAt: parseIsoTime(image.Created ?? '') ?? 0,
    labels: image.Config?.Labels ?? {},
    ...(digest !== undefined && { digest }),
  };
}

const Listed = z.object({
  Id: z.string(),
  Created: z.number(),
  Size: z.number(),
  RepoTags: z.array(z.string()).nullish(),
  RepoDigests: z.array(z.string()).nullish(),
});

/** An entry of `/images/json`. The engine's placeholders for "no name" are left out. Throws a ZodError like `descriptionOf`. */
export function listedImageOf(entry: unknown): ListedImage {
  const { Id, Created, Size, RepoTags, RepoDigests } = Listed.parse(entry);
  const named = (name: string): boolean => !name.startsWith('<none>');
  return {
    id: Id,
    tags: (RepoTags ?? []).filter(named),
    digests: (RepoDigests ?? []).filter(named),
    sizeBytes: Size,
    createdAt: Created * 1000,
  };
}

/**
 * The digest under the name that was asked for. An image that was only given that name here has none: its digest elsewhere would be looked for in
 * the wrong repository.
 */
function digestOf(repoDigests: readonly string[], reference: string): string | undefined {
  const wanted = parseImageReference(reference);
  const ours = repoDigests.map(parseImageReference).filter((candidate) => {
    return candidate !== undefined && candidate.registry === wanted?.registry && candidate.path === wanted.path;
  });
  return (ours.find((candidate) => candidate?.digest === wanted?.digest) ?? ours[0])?.digest;
}
