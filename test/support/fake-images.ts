/** The images of a fake engine, and those of the registries it can pull from. One image may have several names: tags and digests. */
import { EngineError, type ImageDescription, type ListedImage } from '#agent/engine/container-engine.ts';
import { parseImageReference } from '#model/image-reference.ts';
import type { Behaviour } from './container-programs.ts';

export interface FakeImage {
  description: ImageDescription;
  behaviour?: Behaviour;
}

export class FakeImages {
  /** By tag, or by name and digest. */
  readonly #here = new Map<string, FakeImage>();
  readonly #offered = new Map<string, FakeImage>();

  add(reference: string, image: FakeImage): void {
    this.#here.set(reference, image);
  }

  offer(reference: string, image: FakeImage): void {
    this.#offered.set(reference, image);
  }

  find(reference: string): FakeImage | undefined {
    return named(this.#here, reference);
  }

  /** The image whose tag is taken away keeps its digest, as on a real engine. */
  pull(reference: string): FakeImage {
    const offered = named(this.#offered, reference);
    if (offered === undefined) {
      throw new EngineError('image-not-found', `manifest for ${reference} not found: manifest unknown`);
    }
    const before = this.#here.get(reference);
    if (before?.description.digest !== undefined && before.description.id !== offered.description.id) {
      this.#here.set(`${nameOf(reference)}@${before.description.digest}`, before);
    }
    this.#here.set(reference, offered);
    return offered;
  }

  list(): ListedImage[] {
    const byId = new Map<string, ListedImage & { tags: string[]; digests: string[] }>();
    for (const [reference, { description }] of this.#here) {
      const { id, digest, sizeBytes, createdAt } = description;
      const listed = byId.get(id) ?? { id, tags: [], digests: [], sizeBytes, createdAt };
      byId.set(id, listed);
      if (!reference.includes('@')) listed.tags.push(reference);
      const byDigest = digest === undefined ? undefined : `${nameOf(reference)}@${digest}`;
      if (byDigest !== undefined && !listed.digests.includes(byDigest)) listed.digests.push(byDigest);
    }
    return [...byId.values()];
  }

  /** A tag, or by digest or id all names. `user` is the container that has an image, when there is one. */
  remove(reference: string, user: (imageId: string) => string | undefined): void {
    const image = this.find(reference);
    if (image === undefined) return;
    const { id } = image.description;
    const names = [...this.#here].filter(([, other]) => other.description.id === id).map(([name]) => name);
    const going = names.includes(reference) ? [reference] : names;
    const container = user(id);
    if (container !== undefined && going.length === names.length) {
      throw new EngineError('in-use', `conflict: unable to remove ${reference} - container ${container} is using it`);
    }
    for (const name of going) this.#here.delete(name);
  }
}

/** By its tag, its digest under the same name, or its id. */
function named(images: ReadonlyMap<string, FakeImage>, reference: string): FakeImage | undefined {
  const exact = images.get(reference);
  if (exact !== undefined) return exact;
  for (const [name, image] of images) {
    const { id, digest } = image.description;
    if (reference === id || (digest !== undefined && reference === `${nameOf(name)}@${digest}`)) return image;
  }
  return undefined;
}

function nameOf(reference: string): string {
  return parseImageReference(reference)?.name ?? reference;
}
