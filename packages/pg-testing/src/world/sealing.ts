import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

/** What seals the passwords of tenants in tests. */
export interface TestSealing {
  seal(plaintext: string, place: object): string
  open(sealed: string, place: object): string
}

/**
 * Authenticated encryption bound to its place, with a key that nobody keeps: as the envelopes of `@org/crypto`, for
 * tenancies whose tenants log in.
 * @example
 * ```ts
 * import { testSealing } from '@org/pg-testing'
 *
 * const sealing = testSealing()
 * console.log(sealing.open(sealing.seal('secret', { tenant: 'acme' }), { tenant: 'acme' })) // secret
 * ```
 */
export function testSealing(): TestSealing {
  const key = randomBytes(32)
  const bound = (place: object) => Buffer.from(JSON.stringify(place))
  return {
    seal: (plaintext, place) => {
      const iv = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(bound(place))
      const body = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()])
      return Buffer.concat([iv, body, cipher.getAuthTag()]).toString('base64')
    },
    open: (sealed, place) => {
      const all = Buffer.from(sealed, 'base64')
      const decipher = createDecipheriv('aes-256-gcm', key, all.subarray(0, 12)).setAAD(bound(place))
      decipher.setAuthTag(all.subarray(-16))
      return Buffer.concat([decipher.update(all.subarray(12, -16)), decipher.final()]).toString('utf8')
    },
  }
}
