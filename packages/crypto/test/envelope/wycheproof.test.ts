import { createSecretKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { decrypt, encrypt } from '../../src/envelope/aes-gcm.ts'
import { hkdf } from '../../src/envelope/derive.ts'

interface Aead {
  readonly tcId: number
  readonly comment: string
  readonly key: string
  readonly iv: string
  readonly aad: string
  readonly msg: string
  readonly ct: string
  readonly tag: string
  readonly result: 'valid' | 'invalid'
}
interface Hkdf {
  readonly tcId: number
  readonly ikm: string
  readonly salt: string
  readonly info: string
  readonly size: number
  readonly okm: string
  readonly result: 'valid' | 'invalid'
}

const load = <T>(file: string): T[] =>
  JSON.parse(readFileSync(new URL(`wycheproof/${file}.json`, import.meta.url), 'utf8')).tests
const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex')

const aead = load<Aead>('aes-256-gcm')
const kdf = load<Hkdf>('hkdf-sha256')

describe('Wycheproof, through the functions that envelopes use', () => {
  it('has the cases that are meant to be there', () => {
    expect(aead.map(({ result }) => result).filter((result) => result === 'valid')).toHaveLength(39)
    expect(aead).toHaveLength(66)
    expect(kdf).toHaveLength(37)
  })

  it.each(aead)('AES-256-GCM $tcId $comment ($result)', ({ key: hex, iv, aad, msg, ct, tag, result }) => {
    const key = createSecretKey(bytes(hex))
    const opened = decrypt(key, bytes(iv), bytes(aad), bytes(tag), bytes(ct))
    expect(opened?.toString('hex') ?? null).toBe(result === 'valid' ? msg : null)
    const sealed = encrypt(key, bytes(iv), bytes(aad), bytes(msg))
    const same = sealed.ciphertext.toString('hex') === ct && sealed.tag.toString('hex') === tag
    expect(same).toBe(result === 'valid')
  })

  it.each(kdf)('HKDF-SHA-256 $tcId ($result)', ({ ikm, salt, info, size, okm, result }) => {
    const derive = (): string =>
      Buffer.from(hkdf(createSecretKey(bytes(ikm)), bytes(salt), bytes(info), size)).toString('hex')
    if (result === 'valid') expect(derive()).toBe(okm)
    else expect(derive).toThrow()
  })
})
