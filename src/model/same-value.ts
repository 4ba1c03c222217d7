/**
 * Whether two values are the same as JSON would have them: plain objects and arrays by their content, all else by identity. Fields that are undefined
 * count as absent, and the order of fields does not count. Many times as fast as rendering both, or as a comparison that knows every kind of object.
 */
export function isSameValue(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (Array.isArray(one)) return Array.isArray(other) && areSameLists(one, other);
  if (Array.isArray(other)) return false;
  return hasFieldsOf(one, other) && hasNoOthers(other, one);
}

function areSameLists(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((item, index) => isSameValue(item, other[index]));
}

function hasFieldsOf(one: object, other: object): boolean {
  for (const name of Object.keys(one)) {
    if (!isSameValue(Reflect.get(one, name), Object.hasOwn(other, name) ? Reflect.get(other, name) : undefined)) {
      return false;
    }
  }
  return true;
}

function hasNoOthers(other: object, one: object): boolean {
  for (const name of Object.keys(other)) {
    if (!Object.hasOwn(one, name) && Reflect.get(other, name) !== undefined) return false;
  }
  return true;
}
