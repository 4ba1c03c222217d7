/**
 * A command as one text and as words. `ExecuteCommand` carries a text; ECS's own agent makes words of it by the rules of google/shlex, and so
 * do we: blanks separate, quotes and backslashes protect, a `#` at the beginning of a word begins a comment. No shell is involved, so nothing is
 * expanded. `joinWords` is the way back: splitting what it returns gives the same words.
 */

export type SplitCommand = { ok: true; words: string[] } | { ok: false; problem: string };

const blanks = new Set([' ', '\t', '\r', '\n']);
/** Words that need no quotes. */
const plainWord = /^[A-Za-z0-9_@%+=:,./-]+$/;

type State =
  | 'between'
  | 'comment'
  | 'word'
  /** After a backslash. */
  | 'escaped'
  | 'single-quoted'
  | 'double-quoted'
  /** After a backslash between double quotes. */
  | 'double-quoted-escaped';

export function splitWords(text: string): SplitCommand {
  const words: string[] = [];
  let state: State = 'between';
  let word = '';
  for (const character of text) {
    switch (state) {
      case 'between':
        if (blanks.has(character)) break;
        word = '';
        state = character === '#' ? 'comment' : stateAfter(character);
        if (state === 'word') word = character;
        break;
      case 'comment':
        if (character === '\n') state = 'between';
        break;
      case 'word':
        if (blanks.has(character)) {
          words.push(word);
          state = 'between';
          break;
        }
        state = stateAfter(character);
        if (state === 'word') word += character;
        break;
      case 'escaped':
        word += character;
        state = 'word';
        break;
      case 'single-quoted':
        if (character === "'") state = 'word';
        else word += character;
        break;
      case 'double-quoted':
        if (character === '"') state = 'word';
        else if (character === '\\') state = 'double-quoted-escaped';
        else word += character;
        break;
      case 'double-quoted-escaped':
        word += character;
        state = 'double-quoted';
        break;
    }
  }
  switch (state) {
    case 'word':
      words.push(word);
      return { ok: true, words };
    case 'between':
    case 'comment':
      return { ok: true, words };
    case 'escaped':
    case 'double-quoted-escaped':
      return { ok: false, problem: 'it ends with a backslash' };
    case 'single-quoted':
    case 'double-quoted':
      return { ok: false, problem: `a ${state === 'single-quoted' ? 'single' : 'double'} quote is not closed` };
  }
}

/** The state that a character leads to at the beginning of a word or in it. */
function stateAfter(character: string): State {
  if (character === "'") return 'single-quoted';
  if (character === '"') return 'double-quoted';
  return character === '\\' ? 'escaped' : 'word';
}

export function joinWords(words: readonly string[]): string {
  return words.map((word) => (plainWord.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`)).join(' ');
}
