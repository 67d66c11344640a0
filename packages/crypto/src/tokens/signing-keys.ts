import type { KeyObject } from 'node:crypto'
import { invalidOption, type OptionNames, requireKnownOptions, TenancyError } from '@org/core'
import { keyInvalid } from './errors.ts'
import type { KeySource } from './jwks.ts'
import { functionOption, numberOption } from './options.ts'
import { type KeyMaterial, type PublicJwk, privateKey, publicJwk, publicKey, thumbprint } from './rsa-key.ts'

/** A signing key and when its turn begins. */
export interface SigningKeyInput {
  /** RSA private key of at least 2048 bits; a public one for a key that will not sign any more */
  readonly key: KeyMaterial
  /**
   * From then on it signs, until the next one's turn begins. Add a key some time before its turn (at least the ten
   * minutes that others may cache the published set): it is published and accepted at once.
   */
  readonly signsFrom: Date
  /** `[A-Za-z0-9._-]`, up to 128 characters (default: the RFC 7638 thumbprint) */
  readonly kid?: string
}

export interface SigningKeysOptions {
  readonly keys: readonly SigningKeyInput[]
  /** how long a key is published and accepted after its successor's turn began, in seconds (default 3,600) */
  readonly overlap?: number
  /** milliseconds since 1970 (default `Date.now`) */
  readonly clock?: () => number
}

/** The keys that sign access tokens, as a timetable that every process reads alike. Also their own {@link KeySource}. */
export interface SigningKeys extends KeySource {
  /** seconds */
  readonly overlap: number
  /**
   * The key whose turn it is.
   *
   * @throws TenancyError KEY_MISSING when no key's turn has come, or only its public half is here
   */
  signer(): { readonly kid: string; readonly key: KeyObject }
  /** The public keys to serve at `/.well-known/jwks.json`: current, coming, and retired ones within the overlap. */
  jwks(): { readonly keys: readonly PublicJwk[] }
  /** @throws TenancyError KEY_INVALID */
  add(input: SigningKeyInput): void
  /**
   * Takes a key away at once, with every token it signed: for a key that leaked. If it was its turn, nothing signs
   * until you add another.
   */
  remove(kid: string): boolean
}

interface Entry {
  readonly kid: string
  readonly secret: KeyObject | undefined
  readonly open: KeyObject
  readonly jwk: PublicJwk
  readonly signsFrom: number
  /** milliseconds since 1970; the last moment anyone may need it */
  trustedUntil: number
  /** keeps its turn, so that its removal does not bring an older key back */
  removed: boolean
}

const CREATE_SIGNING_KEYS_OPTIONS: OptionNames<SigningKeysOptions> = {
  keys: true,
  overlap: true,
  clock: true,
}

/**
 * The signing keys with their turns. The time decides which key signs, so processes need not be restarted together,
 * and the next key is known everywhere before it is used.
 *
 * @throws TenancyError KEY_INVALID for a weak or unreadable key, a `kid` or a `signsFrom` that occurs twice;
 *   INVALID_OPTION
 * @example
 * ```ts
 * import { generateKeyPairSync } from 'node:crypto'
 * import { createSigningKeys } from '@org/crypto/tokens'
 *
 * const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
 * const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
 * const keys = createSigningKeys({ keys: [{ kid: '2026-11', key, signsFrom: new Date('2026-11-01') }] })
 * keys.jwks().keys.map(({ kid }) => kid) // → ['2026-11']
 * ```
 */
export function createSigningKeys(options: SigningKeysOptions): SigningKeys {
  requireKnownOptions(options, CREATE_SIGNING_KEYS_OPTIONS)
  const clock = functionOption('clock', options.clock, Date.now)
  const overlap = numberOption('overlap', options.overlap, {
    fallback: 3_600,
    min: 60,
    max: 604_800,
    unit: 'seconds',
  })
  if (!Array.isArray(options.keys) || options.keys.length === 0) throw invalidOption('keys', 'a list of keys')
  const byKid = new Map<string, Entry>()
  let timetable: readonly Entry[] = []

  /** A key is trusted until the overlap after its successor's turn began. */
  const arrange = () => {
    timetable = [...byKid.values()].sort((a, b) => a.signsFrom - b.signsFrom)
    timetable.forEach((entry, index) => {
      const next = timetable[index + 1]
      entry.trustedUntil = next === undefined ? Number.POSITIVE_INFINITY : next.signsFrom + overlap * 1000
    })
  }
  const isTrusted = (entry: Entry) => !entry.removed && clock() < entry.trustedUntil
  const peek = (kid: string) => {
    const entry = byKid.get(kid)
    return entry !== undefined && isTrusted(entry) ? entry.open : undefined
  }
  const keys: SigningKeys = {
    overlap,
    peek,
    find: async (kid) => peek(kid),
    signer: () => {
      const now = clock()
      const current = timetable.findLast((entry) => entry.signsFrom <= now)
      if (current?.secret !== undefined && !current.removed) return { kid: current.kid, key: current.secret }
      throw new TenancyError(
        'KEY_MISSING',
        'No key can sign access tokens now. Give createSigningKeys a private key whose signsFrom has passed.',
      )
    },
    jwks: () => ({
      keys: timetable.filter(isTrusted).map(({ jwk }) => ({ ...jwk })),
    }),
    add: (input) => {
      const entry = readEntry(input)
      if (byKid.has(entry.kid)) throw keyInvalid('there is, or was, a key of that kid')
      if (timetable.some(({ signsFrom }) => signsFrom === entry.signsFrom)) {
        throw keyInvalid('another key has the same signsFrom, so it is not clear which one signs')
      }
      byKid.set(entry.kid, entry)
      arrange()
    },
    remove: (kid) => {
      const entry = byKid.get(kid)
      if (entry === undefined || entry.removed) return false
      entry.removed = true
      return true
    },
  }
  for (const input of options.keys) keys.add(input)
  return keys
}

function readEntry({ key, signsFrom, kid }: SigningKeyInput): Entry {
  const from = signsFrom instanceof Date ? signsFrom.getTime() : Number.NaN
  if (Number.isNaN(from)) throw keyInvalid('signsFrom must be a Date')
  const open = publicKey(key)
  const name = kid ?? thumbprint(open)
  if (typeof name !== 'string' || !/^[A-Za-z0-9._-]{1,128}$/.test(name)) {
    throw keyInvalid('its kid must have 1 to 128 characters of A-Z, a-z, 0-9, ".", "_" and "-"')
  }
  return {
    kid: name,
    secret: isPrivate(key) ? privateKey(key) : undefined,
    open,
    jwk: publicJwk(name, open),
    signsFrom: from,
    trustedUntil: 0,
    removed: false,
  }
}

function isPrivate(key: KeyMaterial): boolean {
  if (typeof key === 'string') return key.includes('PRIVATE KEY')
  return 'asymmetricKeyType' in key ? key.type === 'private' : Object.hasOwn(key, 'd')
}
