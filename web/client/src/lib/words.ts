/** Scripts without blanks between words: each of their characters counts as one. */
const WORD = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[\p{L}\p{N}\p{M}](?:[\p{L}\p{N}\p{M}'’_-](?<![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]))*/gu

export function countWords(text: string): number {
  return text.match(WORD)?.length ?? 0
}
