/**
 * What a machine says of itself to be told from a copy of its disk: the installation, then the board and the built-in network cards, each a hash of 16 hexadecimal
 * digits: `<installation>:<fact>.<fact>…`. Machines without a board's id and without cards of their own (containers) have nothing after the colon.
 */

const form = /^[0-9a-f]{16}:(?<facts>[0-9a-f]{16}(?:\.[0-9a-f]{16})*)?$/u;

/**
 * Whether two fingerprints can be of one machine: they share the board or a card, since people exchange one or the other, or one of them tells nothing of either.
 * A copied disk in another machine shares none.
 */
export function canBeSameHardware(one: string, other: string): boolean {
  const [facts, others] = [factsOf(one), factsOf(other)];
  if (facts.length === 0 || others.length === 0) return true;
  return facts.some((fact) => others.includes(fact));
}

function factsOf(fingerprint: string): readonly string[] {
  return form.exec(fingerprint)?.groups?.['facts']?.split('.') ?? [];
}
