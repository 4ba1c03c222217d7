/** How answers look as JSON: the SDK's own output types, with times as seconds and no member that is undefined. */

/** An SDK type as it crosses the wire. */
export type Wire<T> = T extends Date
  ? number
  : T extends string | number | boolean
    ? T
    : T extends readonly (infer Item)[]
      ? readonly Wire<Item>[]
      : { readonly [Key in keyof T]: Wire<Exclude<T[Key], undefined>> };

/** Epoch seconds with a fraction, as ECS writes times. */
export function seconds(epochMilliseconds: number): number {
  return epochMilliseconds / 1000;
}

export function optionalSeconds(epochMilliseconds: number | undefined): number | undefined {
  return epochMilliseconds === undefined ? undefined : seconds(epochMilliseconds);
}

type Present<T> = { [Key in keyof T as undefined extends T[Key] ? never : Key]: T[Key] } & {
  [Key in keyof T as undefined extends T[Key] ? Key : never]?: Exclude<T[Key], undefined>;
};

/** The same members without those that are undefined. */
export function present<T extends object>(members: T): Present<T> {
  const copy = { ...members };
  for (const key of Object.keys(copy)) if (Reflect.get(copy, key) === undefined) Reflect.deleteProperty(copy, key);
  return copy as Present<T>;
}

/** Some members of what is kept as it was sent. */
export function chosen(
  kept: Readonly<Record<string, unknown>> | undefined,
  names: readonly string[],
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(kept ?? {}).filter(([name]) => names.includes(name)));
}
