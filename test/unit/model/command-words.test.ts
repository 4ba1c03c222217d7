/** Commands as one text and as words. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinWords, splitWords } from '#model/command-words.ts';

describe('a command is split', () => {
  it.each([
    ['at blanks of any kind', ' ls\t-l \n /tmp\r', ['ls', '-l', '/tmp']],
    ['into nothing when there is nothing', '  \n', []],
    ['not between quotes', `sh -c 'echo "a b"'`, ['sh', '-c', 'echo "a b"']],
    ['with quotes in the midst of a word', `a'b c'"d e"f`, ['ab cd ef']],
    ['with empty words', `a '' ""`, ['a', '', '']],
    ['with backslashes outside quotes', String.raw`a\ b \"c\' \\`, ['a b', `"c'`, '\\']],
    ['with backslashes between double quotes', String.raw`"a\"b\\c\n"`, [String.raw`a"b\cn`]],
    ['with backslashes left alone between single quotes', String.raw`'a\n'`, [String.raw`a\n`]],
    ['without comments', 'ls # all of it\n-l', ['ls', '-l']],
    ['with a # that begins no word', 'echo a#b', ['echo', 'a#b']],
    ['without expanding anything', 'echo $HOME *.txt `id` ~ | wc', ['echo', '$HOME', '*.txt', '`id`', '~', '|', 'wc']],
  ])('%s', (_case, text, words) => {
    expect(splitWords(text)).toEqual({ ok: true, words });
  });

  it.each([
    ['a single quote', "echo 'a", 'a single quote is not closed'],
    ['a double quote', 'echo "a', 'a double quote is not closed'],
    ['a backslash', 'echo \\', 'it ends with a backslash'],
    ['a backslash in a quote', 'echo "\\', 'it ends with a backslash'],
  ])('not when %s is left open', (_case, text, problem) => {
    expect(splitWords(text)).toEqual({ ok: false, problem });
  });
});

it('words that are joined and split are the same words', () => {
  const tricky = fc.string({ unit: fc.constantFrom(...Array.from(` \t\r\n'"\\#$*;&|a-ü🦀`), '\0') });
  fc.assert(
    fc.property(fc.array(fc.oneof(tricky, fc.string({ unit: 'binary' }))), (words) => {
      expect(splitWords(joinWords(words))).toEqual({ ok: true, words });
    }),
  );
});

it('plain words are joined without quotes, so that people can read them', () => {
  expect(joinWords(['ls', '-l', '/var/log', 'a b'])).toBe("ls -l /var/log 'a b'");
});
