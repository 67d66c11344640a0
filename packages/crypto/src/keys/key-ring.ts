import { type OptionNames, requireKnownOptions, TenancyError } from '@org/core'
import type { Envelopes } from '../envelope/envelopes.ts'
import { type HeldKey, type KeyList, MAX_KEYS } from '../envelope/held-keys.ts'
import { KeyEnvelopes } from '../envelope/key-envelopes.ts'
import { keyIdOf } from './key-id.ts'
import { parseKey } from './parse-key.ts'

/** How a ring seals and what it still opens. */
export interface KeyRingFormat {
  /** of new envelopes (default `v1`); both are opened. `v2` names and commits to its key, at two to three times the time */
  readonly format?: 'v1' | 'v2'
  /**
   * Whether `enc:v1:` values that were sealed elsewhere without a place open too (default `false`). Such a value
   * opens wherever it is copied to: ask for it only until the rotation has bound them all.
   */
  readonly acceptUnbound?: boolean
}

/** The keys of a ring, each 64 hexadecimal digits or 44 characters of base64. */
export interface KeyRingOptions extends KeyRingFormat {
  /** seals, and opens */
  readonly key: string
  /** only open; at most 15 */
  readonly retired?: readonly string[]
}

/** Envelopes for all tenants under one key, and older keys for reading. Shows the ids of its keys, never the keys. */
export interface KeyRing extends Envelopes {
  /** the id of the key that seals; `null` in a ring without keys */
  readonly keyId: string | null
  /** the ids of all keys that open, the sealing one first */
  readonly keyIds: readonly string[]
}

const KEY_RING_OPTIONS: OptionNames<KeyRingOptions> = {
  key: true,
  retired: true,
  format: true,
  acceptUnbound: true,
}

/**
 * A ring of keys, held in memory.
 *
 * @throws TenancyError KEY_INVALID for a key in another shape, a key given twice or more than 16 keys (the error
 * names it as `key` or `retired[0]`, never its value), INVALID_OPTION for another option
 * @example
 * ```ts
 * import { randomBytes } from 'node:crypto'
 * import { keyRing } from '@org/crypto'
 *
 * const old = randomBytes(32).toString('hex')
 * const place = { tenant: 'acme', table: 'app_settings', name: 'smtp.password' }
 * const sealed = keyRing({ key: old }).seal('correct horse', place)
 *
 * const ring = keyRing({ key: randomBytes(32).toString('hex'), retired: [old] }) // the new one seals, both open
 * ring.open(sealed, place) // → 'correct horse'
 * ring.open(sealed, { ...place, tenant: 'globex' }) // → throws ENVELOPE_UNREADABLE
 * ```
 */
export function keyRing(options: KeyRingOptions): KeyRing {
  requireKnownOptions(options, KEY_RING_OPTIONS)
  const retired: readonly unknown[] = options.retired ?? []
  if (!Array.isArray(retired)) throw invalidOption('retired', 'is a list of keys')
  return ringOf(
    [
      { source: 'key', text: options.key },
      ...retired.map((text, at) => ({ source: `retired[${at}]`, text })),
    ],
    options,
  )
}

/**
 * The ring of `SETTINGS_ENCRYPTION_KEY` and, for reading, `SETTINGS_ENCRYPTION_KEYS_RETIRED` (separated by commas).
 * Without the first (or with an empty one) the ring has no key: it refuses to seal and to open.
 *
 * @param env where to read them (default `process.env`)
 * @throws TenancyError KEY_INVALID as {@link keyRing} does, naming the variable; KEY_MISSING when there are only
 * retired keys; INVALID_OPTION
 * @example
 * ```ts
 * import { keyRingFromEnv } from '@org/crypto'
 *
 * const ring = keyRingFromEnv() // SETTINGS_ENCRYPTION_KEY, and SETTINGS_ENCRYPTION_KEYS_RETIRED
 * const place = { tenant: 'acme', table: 'app_settings', name: 'smtp.password' }
 * ring.open(ring.seal('correct horse', place), place) // → 'correct horse'
 * ```
 */
export function keyRingFromEnv(
  env: Readonly<Record<string, string | undefined>> = process.env,
  format: KeyRingFormat = {},
): KeyRing {
  const { SETTINGS_ENCRYPTION_KEY: key = '', SETTINGS_ENCRYPTION_KEYS_RETIRED: retired = '' } = env
  const older = retired.trim() === '' ? [] : retired.split(',').map((text) => text.trim())
  if (key === '' && older.length > 0) throw missing()
  const current = key === '' ? [] : [{ source: 'SETTINGS_ENCRYPTION_KEY', text: key }]
  return ringOf(
    [...current, ...older.map((text, at) => ({ source: `SETTINGS_ENCRYPTION_KEYS_RETIRED[${at}]`, text }))],
    format,
  )
}

interface KeyText {
  readonly source: string
  readonly text: unknown
}

function ringOf(texts: readonly KeyText[], { format = 'v1', acceptUnbound = false }: KeyRingFormat): KeyRing {
  if (format !== 'v1' && format !== 'v2') throw invalidOption('format', 'is "v1" or "v2"')
  if (typeof acceptUnbound !== 'boolean') throw invalidOption('acceptUnbound', 'is true or false')
  if (texts.length > MAX_KEYS) {
    throw new TenancyError(
      'KEY_INVALID',
      `A key ring has at most ${MAX_KEYS} keys. Rotate, then take keys that nothing needs any more out of it.`,
      { details: { reason: 'count', keys: texts.length } },
    )
  }
  const keys: HeldKey[] = []
  for (const { source, text } of texts) {
    const key = parseKey(text, source)
    const id = keyIdOf(key)
    if (keys.some((other) => other.id === id)) throw givenTwice(source)
    keys.push({ id, key })
  }
  return new Ring(keys, format, acceptUnbound)
}

class Ring extends KeyEnvelopes implements KeyRing {
  readonly keyId: string | null
  readonly keyIds: readonly string[]

  constructor(keys: readonly HeldKey[], format: 'v1' | 'v2', acceptUnbound: boolean) {
    const [first, ...rest] = keys
    const list: KeyList | undefined = first && [first, ...rest]
    const use = (): KeyList => {
      if (list === undefined) throw missing()
      return list
    }
    super({ use, format, acceptUnbound })
    this.keyId = first?.id ?? null
    this.keyIds = Object.freeze(keys.map(({ id }) => id))
    Object.freeze(this)
  }
}

function missing(): TenancyError {
  return new TenancyError(
    'KEY_MISSING',
    'There is no key to seal or open secrets with. Set SETTINGS_ENCRYPTION_KEY (`openssl rand -hex 32` makes one).',
  )
}

function givenTwice(source: string): TenancyError {
  return new TenancyError(
    'KEY_INVALID',
    `The key ${source} is in the ring already. A retired key is an older one: give each key once.`,
    { details: { key: source, reason: 'duplicate' } },
  )
}

function invalidOption(option: string, rule: string): TenancyError {
  return new TenancyError('INVALID_OPTION', `The option ${option} ${rule}.`, { details: { option } })
}
