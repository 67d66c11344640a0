import { randomBytes } from 'node:crypto'
import { TenancyError } from '@org/core'
import type { Argon2Cost, PasswordSettings } from './options.ts'

/** What a stored hash says about itself. */
export interface StoredHash extends Argon2Cost {
  readonly algorithm: 'argon2id' | 'argon2i' | 'argon2d'
  /** 19 (0x13) is the version of RFC 9106; 16 is what stands for none. */
  readonly version: number
  readonly saltBytes: number
  readonly outputBytes: number
}

/** New hashes have a salt of 16 and an output of 32 bytes (RFC 9106, 3.1 and 4). */
const SALT_BYTES = 16
const OUTPUT_BYTES = 32
const VERSION = 19

/** The PHC string format, with unpadded base64: salts of 8 to 48 bytes and outputs of 16 to 96. */
const PHC =
  /^\$(argon2id|argon2i|argon2d)\$(?:v=(1[69])\$)?m=([1-9]\d{0,9}),t=([1-9]\d{0,9}),p=([1-9]\d{0,2})\$([A-Za-z0-9+/]{11,64})\$([A-Za-z0-9+/]{22,128})$/

/**
 * Reads a stored hash and refuses it unless computing it stays within bounds: whoever can write one row must not be
 * able to have a gigabyte allocated, or a minute computed, at every login.
 *
 * @throws TenancyError ENVELOPE_UNREADABLE; `details.reason` is `format` or `cost`
 */
export function readStoredHash(hash: unknown, settings: PasswordSettings): StoredHash {
  const found = typeof hash === 'string' ? PHC.exec(hash) : null
  if (!found) throw unreadable('format', 'is not an argon2 hash in the PHC string format')
  const [, algorithm, version, memoryCost, timeCost, parallelism, salt, output] = found
  const stored: StoredHash = {
    algorithm: algorithm as StoredHash['algorithm'],
    version: Number(version ?? 16),
    memoryCost: Number(memoryCost),
    timeCost: Number(timeCost),
    parallelism: Number(parallelism),
    saltBytes: bytesOf(salt),
    outputBytes: bytesOf(output),
  }
  if (!isAffordable(stored, settings)) {
    throw unreadable('cost', 'asks for more memory or work than maxStoredCost allows')
  }
  return stored
}

function isAffordable(
  stored: StoredHash,
  { memoryCost, timeCost, maxStoredCost }: PasswordSettings,
): boolean {
  return (
    stored.memoryCost <= memoryCost * maxStoredCost &&
    stored.memoryCost * stored.timeCost <= memoryCost * timeCost * maxStoredCost &&
    stored.parallelism <= 64 &&
    // RFC 9106, 3.1: memory is at least 8 blocks a lane. The native code would refuse it with its own error.
    stored.memoryCost >= 8 * stored.parallelism
  )
}

/** Whether a new hash of the same password would be stronger in any way. */
export function isOutdated(stored: StoredHash, settings: PasswordSettings): boolean {
  return (
    stored.algorithm !== 'argon2id' ||
    stored.version < VERSION ||
    stored.memoryCost < settings.memoryCost ||
    stored.timeCost < settings.timeCost ||
    stored.parallelism < settings.parallelism ||
    stored.saltBytes < SALT_BYTES ||
    stored.outputBytes < OUTPUT_BYTES
  )
}

/** A hash of nothing, with the parameters of a new one: to check it is the same work, and no password fits. */
export function decoyHash({ memoryCost, timeCost, parallelism }: PasswordSettings): string {
  const random = (bytes: number): string =>
    randomBytes(bytes)
      .toString('base64')
      .replace(/={1,2}$/, '')
  const cost = `m=${memoryCost},t=${timeCost},p=${parallelism}`
  return `$argon2id$v=${VERSION}$${cost}$${random(SALT_BYTES)}$${random(OUTPUT_BYTES)}`
}

function bytesOf(base64: string | undefined): number {
  return Math.floor(((base64 ?? '').length * 3) / 4)
}

/** @internal */
export function unreadable(reason: string, what: string): TenancyError {
  return new TenancyError(
    'ENVELOPE_UNREADABLE',
    `The stored password hash ${what}. Reset this password, or set the hash again from a source you trust.`,
    { details: { reason } },
  )
}
