import { anew, SCRATCH } from '../driver/messages.ts'
import { refuseUnsafe } from './refuse.ts'

// Programs run few texts, again and again: what is found out about one is remembered.

/** Texts that are remembered, and how long one may be, in characters. */
const MAX_TEXTS = 500
const MAX_LENGTH = 2_000

/** A text that was let through, and what parses it in the scratch slot once that was asked for. */
interface KnownText {
  parse: Buffer | undefined
}

const known = new Map<string, KnownText>()

/**
 * As {@link refuseUnsafe}, which depends on nothing but the text.
 *
 * @throws TenancyError STATEMENT_REFUSED
 */
export function refuseUnsafeText(text: string): void {
  if (known.has(text)) return
  refuseUnsafe(text)
  if (text.length > MAX_LENGTH) return
  if (known.size >= MAX_TEXTS) known.clear()
  known.set(text, { parse: undefined })
}

/** What parses a text in the scratch slot. */
export function parsing(text: string): Buffer {
  const one = known.get(text)
  if (one?.parse) return one.parse
  const bytes = anew(SCRATCH, text)
  // Kept bytes have a memory of their own: a piece of the common one would keep all of that.
  if (one) one.parse = Buffer.from(Uint8Array.from(bytes).buffer)
  return bytes
}
