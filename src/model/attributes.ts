/** Attributes of container instances: facts placement filters on. A bare name is a capability; a value makes it a property. */

export interface Attribute {
  name: string;
  value?: string;
  targetType?: 'container-instance';
  targetId?: string;
}

export const builtInAttributePrefixes = ['ecs.', 'com.amazonaws.ecs.'] as const;

/** Built-in attributes are reported by the agent at registration; users may not overwrite them through the API. */
export function isBuiltInAttribute(name: string): boolean {
  return builtInAttributePrefixes.some((prefix) => name.startsWith(prefix));
}

export function attributeValue(attributes: readonly Attribute[], name: string): string | undefined {
  return attributes.find((attribute) => attribute.name === name)?.value;
}

/** The required attributes an instance lacks. A requirement with a value must match that value exactly. */
export function missingAttributes(required: readonly Attribute[], offered: readonly Attribute[]): Attribute[] {
  return required.filter(
    (need) =>
      !offered.some((have) => have.name === need.name && (need.value === undefined || have.value === need.value)),
  );
}
