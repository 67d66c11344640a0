/**
 * The bytes of standard, padded base64 (RFC 4648, 4), or `null` when the text is not the one canonical spelling of
 * them: Node ignores whitespace, missing padding, the URL alphabet and stray last bits, so that one secret would
 * have many spellings. Encoding again and comparing refuses all of these at once.
 */
export function decodeCanonical(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : null
}
