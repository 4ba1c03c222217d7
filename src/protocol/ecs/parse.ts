/**
 * From the JSON of a request to the input of an operation, or to the one error that says what is wrong with it.
 *
 * A value of the wrong JSON type is a SerializationException in AWS's words ("STRING_VALUE can not be converted to an Integer"),
 * everything else an InvalidParameterException; each names the path of the field and what was found there.
 */
import type { z } from 'zod';
import { type EcsError, invalidParameter, serialization } from './errors.ts';
import { type InputOf, operations, type OperationName } from './operations.ts';

export type ParsedInput<Name extends OperationName> =
  | { ok: true; input: InputOf<Name> }
  | { ok: false; error: EcsError };

/** The same table, typed so that an operation's name alone says what its schema gives. */
const schemas: { [Name in OperationName]: z.ZodType<InputOf<Name>> } = operations;

/** Far deeper than any request of ECS; beyond it a body is an attack on the stack. */
const maximumDepth = 64;
const maximumProblemsTold = 5;

export function parseInput<Name extends OperationName>(operation: Name, json: unknown): ParsedInput<Name> {
  return parseWith(schemas[operation], json);
}

/** The same for the operations of other services of AWS. */
export function parseWith<T>(
  schema: z.ZodType<T>,
  json: unknown,
): { ok: true; input: T } | { ok: false; error: EcsError } {
  if (nestsDeeperThan(json, maximumDepth)) {
    return { ok: false, error: serialization(`The request is nested deeper than ${maximumDepth} levels`) };
  }
  if (holdsNul(json)) return { ok: false, error: invalidParameter('The request holds a NUL character') };
  const parsed = schema.safeParse(withoutNulls(json), { reportInput: true });
  if (parsed.success) return { ok: true, input: parsed.data };
  return { ok: false, error: errorOf(parsed.error.issues) };
}

/** A copy in which members that are null are absent, as AWS reads them. Items of lists stay, so that a null among them is refused. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== null)
      .map(([key, member]) => [key, withoutNulls(member)]),
  );
}

function nestsDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (depth === 0) return true;
  return Object.values(value).some((member) => nestsDeeperThan(member, depth - 1));
}

/** No name, environment or command can hold one, and not every database can. */
function holdsNul(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0');
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some(holdsNul);
}

function errorOf(issues: readonly z.core.$ZodIssue[]): EcsError {
  const wrongTypes = issues.map(wrongType).filter((text) => text !== undefined);
  if (wrongTypes.length > 0) return serialization(listed(wrongTypes));
  return invalidParameter(listed(issues.map(wrongValue)));
}

function listed(texts: readonly string[]): string {
  const distinct = [...new Set(texts)];
  const told = distinct.slice(0, maximumProblemsTold).join('; ');
  const untold = distinct.length - maximumProblemsTold;
  return untold > 0 ? `${told}; and ${untold} more` : told;
}

/** The sentence for a value that is not of the JSON type its field has; undefined when the type is right or the field is absent. */
function wrongType(issue: z.core.$ZodIssue): string | undefined {
  if (issue.input === undefined) return undefined;
  const expected =
    issue.code === 'invalid_value' ? 'string' : issue.code === 'invalid_type' ? issue.expected : undefined;
  if (expected === undefined) return issue.code === 'invalid_union' ? 'Unexpected field type' : undefined;
  const found = jsonType(issue.input);
  if (found === jsonTypeOfSchema(expected)) return undefined;
  return `${pathText(issue.path)}: ${typeMismatch(found, expected)}`;
}

type JsonType = 'string' | 'number' | 'boolean' | 'list' | 'structure' | 'null';

function jsonType(value: unknown): JsonType {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'list';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'number') return 'number';
  return typeof value === 'boolean' ? 'boolean' : 'structure';
}

function jsonTypeOfSchema(expected: string): string {
  if (expected === 'array') return 'list';
  if (expected === 'object' || expected === 'record') return 'structure';
  return expected === 'int' ? 'number' : expected;
}

function typeMismatch(found: JsonType, expected: string): string {
  if (found === 'list') return 'Start of list found where not expected';
  if (found === 'structure') return 'Start of structure or map found where not expected';
  const targets: Record<string, string> = {
    string: 'a String',
    number: 'an Integer',
    int: 'an Integer',
    boolean: 'a Boolean',
    array: 'a List',
    object: 'a Structure',
    record: 'a Map',
  };
  return `${found.toUpperCase()}_VALUE can not be converted to ${targets[expected] ?? expected}`;
}

function wrongValue(issue: z.core.$ZodIssue): string {
  const path = pathText(issue.path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${pathText([...issue.path, key])}: unknown field`).join('; ');
  }
  if (issue.input === undefined) return `${path}: is required`;
  if (issue.code === 'invalid_value') {
    return `${path}: expected one of ${issue.values.map(String).join(', ')}, got ${shown(issue.input)}`;
  }
  const got = shown(issue.input);
  return `${path}: ${issue.message}${got === '' ? '' : `, got ${got}`}`;
}

/** `containerDefinitions[0].portMappings[1].hostPort`; the request as a whole is `request`. */
function pathText(path: readonly PropertyKey[]): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += text === '' ? String(step) : `.${String(step)}`;
  }
  return text === '' ? 'request' : text;
}

const maximumShownCharacters = 60;

/** A value in few words; nothing for a structure, which its path names well enough. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `${value.length} items`;
  if (typeof value === 'object' && value !== null) return '';
  if (typeof value !== 'string') return String(value);
  const text = value.length > maximumShownCharacters ? `${value.slice(0, maximumShownCharacters)}…` : value;
  return JSON.stringify(text);
}
