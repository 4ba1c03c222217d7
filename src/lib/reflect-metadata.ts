/**
 * What tsyringe, through which @peculiar/x509 finds its algorithms, demands of Reflect before it loads: the two questions after metadata. None of the classes that
 * it is asked for has any (they take no parameters), so both answer that there is none. Loaded before the library.
 */
const answers = { getMetadata: () => undefined, getOwnMetadata: () => undefined };
for (const [name, answer] of Object.entries(answers)) {
  if (Reflect.get(Reflect, name) === undefined) Reflect.set(Reflect, name, answer);
}
