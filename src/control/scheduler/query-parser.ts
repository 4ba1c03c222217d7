/**
 * Parses the cluster query language by recursive descent over the characters, because what a bare argument may contain depends on
 * its operator. Precedence: not, and, or. Grammar:
 *
 *     expr    := expr ('or'|'||') expr | expr ('and'|'&&') expr | ('not'|'!') expr | '(' expr ')' | subject op [arg]
 *     subject := agentConnected | agentVersion | ec2InstanceId | registeredAt | runningTasksCount | attribute:NAME | task:group
 *     arg     := token | 'quoted' | "quoted" | [a, b, c]
 */
import type { ComparisonOperator, Query, QueryOperator, QuerySubject } from './query-language.ts';
import { querySubjects } from './query-language.ts';
import { compilePattern } from './query-pattern.ts';

/** ECS bounds expressions to this many characters. */
export const longestQuery = 2000;
const deepestQuery = 100;

export type QueryResult =
  | { ok: true; query: Query }
  /** `position` counts characters from 0. */
  | { ok: false; message: string; position: number };

export function parseQuery(text: string): QueryResult {
  if (text.length > longestQuery) {
    return { ok: false, message: `an expression has at most ${longestQuery} characters`, position: longestQuery };
  }
  try {
    const parser = new QueryParser(text);
    return { ok: true, query: parser.parse() };
  } catch (error) {
    if (error instanceof QuerySyntaxError) return { ok: false, message: error.message, position: error.position };
    throw error;
  }
}

class QuerySyntaxError extends Error {
  override readonly name = 'QuerySyntaxError';
  readonly position: number;

  constructor(message: string, position: number) {
    super(message);
    this.position = position;
  }
}

/** Longer symbols first, so that `>=` is not read as `>`. */
const symbols: readonly (readonly [string, QueryOperator])[] = [
  ['!exists', 'not_exists'],
  ['!in', 'not_in'],
  ['==', 'equals'],
  ['!=', 'not_equals'],
  ['>=', 'greater_than_equal'],
  ['<=', 'less_than_equal'],
  ['=~', 'matches'],
  ['!~', 'not_matches'],
  ['>', 'greater_than'],
  ['<', 'less_than'],
];

const operatorWords: readonly QueryOperator[] = [
  'equals',
  'not_equals',
  'greater_than',
  'greater_than_equal',
  'less_than',
  'less_than_equal',
  'exists',
  'not_exists',
  'in',
  'not_in',
  'matches',
  'not_matches',
];

/** Walks `text` once from left to right; `#at` is the next character to read and only grows, except to undo a look-ahead. */
class QueryParser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Query {
    const query = this.#or();
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#error("expected 'and', 'or' or the end");
    return query;
  }

  #or(): Query {
    let left = this.#and();
    while (this.#take('||') || this.#takeWord('or')) left = { kind: 'or', left, right: this.#and() };
    return left;
  }

  #and(): Query {
    let left = this.#not();
    while (this.#take('&&') || this.#takeWord('and')) left = { kind: 'and', left, right: this.#not() };
    return left;
  }

  #not(): Query {
    this.#depth += 1;
    if (this.#depth > deepestQuery) throw this.#error('the expression is nested too deeply');
    try {
      if (this.#take('!') || this.#takeWord('not')) return { kind: 'not', operand: this.#not() };
      if (!this.#take('(')) return this.#condition();
      const inner = this.#or();
      if (!this.#take(')')) throw this.#error("expected ')'");
      return inner;
    } finally {
      this.#depth -= 1;
    }
  }

  #condition(): Query {
    const subject = this.#subject();
    const operator = this.#operator();
    switch (operator) {
      case 'exists':
      case 'not_exists':
        return { kind: 'presence', subject, present: operator === 'exists' };
      case 'in':
      case 'not_in':
        return { kind: 'membership', subject, values: this.#list(), member: operator === 'in' };
      case 'matches':
      case 'not_matches':
        return { kind: 'pattern', subject, pattern: this.#pattern(), matches: operator === 'matches' };
      default:
        return this.#comparison(subject, operator);
    }
  }

  #comparison(subject: QuerySubject, operator: ComparisonOperator): Query {
    this.#skipSpace();
    const position = this.#at;
    const value = this.#value();
    if (subject.kind === 'fact' && subject.fact === 'runningTasksCount' && !/^\d+$/.test(value)) {
      throw new QuerySyntaxError(`runningTasksCount is compared with a number, got '${value}'`, position);
    }
    return { kind: 'comparison', subject, operator, value };
  }

  #subject(): QuerySubject {
    this.#skipSpace();
    const position = this.#at;
    const word = this.#word();
    if (word === '') throw new QuerySyntaxError('expected a condition', position);
    if (word.startsWith('attribute:')) {
      const attribute = word.slice('attribute:'.length);
      if (attribute === '') throw new QuerySyntaxError("expected the attribute's name", this.#at);
      return { kind: 'attribute', attribute };
    }
    const fact = querySubjects.find((candidate) => candidate === word);
    if (fact === undefined) throw new QuerySyntaxError(`unknown subject '${word}'`, position);
    return { kind: 'fact', fact };
  }

  #operator(): QueryOperator {
    for (const [symbol, operator] of symbols) {
      if (/\w$/.test(symbol) ? this.#takeWord(symbol) : this.#take(symbol)) return operator;
    }
    this.#skipSpace();
    const position = this.#at;
    const word = this.#word().toLowerCase();
    const operator = operatorWords.find((candidate) => candidate === word);
    if (operator === undefined) throw new QuerySyntaxError('expected an operator', position);
    return operator;
  }

  #list(): string[] {
    if (!this.#take('[')) throw this.#error("expected '['");
    const values = [this.#value()];
    while (this.#take(',')) values.push(this.#value());
    if (!this.#take(']')) throw this.#error("expected ',' or ']'");
    return values;
  }

  #pattern(): RegExp {
    this.#skipSpace();
    const position = this.#at;
    const source = this.#quoted() ?? this.#barePattern();
    if (source === '') throw new QuerySyntaxError('expected a pattern', position);
    const compiled = compilePattern(source);
    if (!compiled.ok) throw new QuerySyntaxError(compiled.message, position);
    return compiled.pattern;
  }

  #value(): string {
    this.#skipSpace();
    const position = this.#at;
    const quoted = this.#quoted();
    if (quoted !== undefined) return quoted;
    const word = this.#word();
    if (word === '') throw new QuerySyntaxError('expected a value', position);
    return word;
  }

  #quoted(): string | undefined {
    const quote = this.#text[this.#at];
    if (quote !== "'" && quote !== '"') return undefined;
    const end = this.#text.indexOf(quote, this.#at + 1);
    if (end === -1) throw this.#error('the quote is not closed');
    const value = this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return value;
  }

  /** An unquoted pattern may hold nearly anything: it ends at a space or at a ')' that it did not open. */
  #barePattern(): string {
    const start = this.#at;
    let open = 0;
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at] ?? '';
      if (/\s/.test(character)) break;
      if (character === '(') open += 1;
      if (character === ')') open -= 1;
      if (open < 0) break;
      this.#at += character === '\\' ? 2 : 1;
    }
    this.#at = Math.min(this.#at, this.#text.length);
    return this.#text.slice(start, this.#at);
  }

  #word(): string {
    const match = /^[^\s()[\],"'=!<>&|]+/.exec(this.#text.slice(this.#at));
    const word = match?.[0] ?? '';
    this.#at += word.length;
    return word;
  }

  #take(symbol: string): boolean {
    this.#skipSpace();
    if (!this.#text.startsWith(symbol, this.#at)) return false;
    this.#at += symbol.length;
    return true;
  }

  /** A keyword, in any case, that is not merely the beginning of a longer word. */
  #takeWord(keyword: string): boolean {
    this.#skipSpace();
    const end = this.#at + keyword.length;
    if (this.#text.slice(this.#at, end).toLowerCase() !== keyword) return false;
    if (/^[\w:.-]/.test(this.#text.slice(end))) return false;
    this.#at = end;
    return true;
  }

  #skipSpace(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }

  #error(message: string): QuerySyntaxError {
    this.#skipSpace();
    return new QuerySyntaxError(message, this.#at);
  }
}
