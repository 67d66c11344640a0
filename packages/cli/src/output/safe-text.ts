/** Control characters, and those that turn the direction of text around: they could forge what a terminal shows. */
const UNSAFE = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu

/** Text from a database or a file as it may be shown in one line of a terminal. */
export function safeText(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** The same for texts of several lines. */
export function safeLines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.split('\t').map(safeText).join('  '))
    .join('\n')
}
