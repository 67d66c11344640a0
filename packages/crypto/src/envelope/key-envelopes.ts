import type { EnvelopeFacts, Envelopes, SecretPlace } from './envelopes.ts'
import { type SeenFormat, unreadable } from './errors.ts'
import type { HeldKeys } from './held-keys.ts'
import { checkPlace } from './place.ts'
import { checkPlaintext, MAX_SECRET_BYTES, textOf } from './plaintext.ts'
import { type Opened, openV1, sealV1, V1 } from './v1.ts'
import { openV2, sealV2, V2 } from './v2.ts'

/** Longer than any envelope that we would have sealed. */
const MAX_ENVELOPE_LENGTH = Math.ceil(((MAX_SECRET_BYTES + 256) * 4) / 3)

/** Seals and opens under keys that nobody sees: not in an inspection, not in JSON, not in an error. */
export class KeyEnvelopes implements Envelopes {
  readonly #keys: HeldKeys

  constructor(keys: HeldKeys) {
    this.#keys = keys
  }

  seal(plaintext: string | Uint8Array, place: SecretPlace): string {
    const [current] = this.#keys.use()
    checkPlace(place)
    checkPlaintext(plaintext)
    return this.#keys.format === 'v1' ? sealV1(current, plaintext, place) : sealV2(current, plaintext, place)
  }

  open(envelope: string, place: SecretPlace): string {
    const text = textOf(this.#open(envelope, place).plaintext)
    if (text === null) throw unreadable(place, formatOf(envelope))
    return text
  }

  openBytes(envelope: string, place: SecretPlace): Uint8Array {
    return this.#open(envelope, place).plaintext
  }

  examine(envelope: string, place: SecretPlace): EnvelopeFacts {
    const opened = this.#open(envelope, place)
    opened.plaintext.fill(0)
    return this.#facts(envelope, opened)
  }

  reseal(envelope: string, place: SecretPlace): string | null {
    const opened = this.#open(envelope, place)
    const sealed = this.#facts(envelope, opened).current ? null : this.seal(opened.plaintext, place)
    opened.plaintext.fill(0)
    return sealed
  }

  #facts(envelope: string, { key, bound }: Opened): EnvelopeFacts {
    const format = envelope.startsWith(V1) ? 'v1' : 'v2'
    const current = bound && format === this.#keys.format && key.id === this.#keys.use()[0].id
    return { format, keyId: key.id, bound, current }
  }

  #open(envelope: string, place: SecretPlace): Opened {
    const keys = this.#keys.use()
    checkPlace(place)
    const format = formatOf(envelope)
    const opened =
      format === 'v1'
        ? openV1(keys, envelope, place, this.#keys.acceptUnbound)
        : format === 'v2'
          ? openV2(keys, envelope, place)
          : null
    if (opened === null) throw unreadable(place, format)
    return opened
  }
}

/** By its first characters only, so that it may be wrong; never throws, whatever the database returned. */
function formatOf(envelope: unknown): SeenFormat {
  if (typeof envelope !== 'string' || envelope.length > MAX_ENVELOPE_LENGTH) return 'unknown'
  return envelope.startsWith(V1) ? 'v1' : envelope.startsWith(V2) ? 'v2' : 'unknown'
}
