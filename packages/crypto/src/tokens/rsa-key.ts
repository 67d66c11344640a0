import { createHash, createPrivateKey, createPublicKey, type JsonWebKey, KeyObject } from 'node:crypto'
import { keyInvalid } from './errors.ts'

/** NIST SP 800-131A and RFC 7518, 3.3: RS256 needs 2048 bits; larger than 8192 only costs time per request. */
const MIN_BITS = 2048
const MAX_BITS = 8192
/** FIPS 186-5, A.1.1: the exponent is odd and above 2^16. With 1 or 3 signatures can be made without the key. */
const MIN_EXPONENT = 65_537n

/** A public key as published (RFC 7517): only ever the public members. */
export interface PublicJwk {
  readonly kty: 'RSA'
  readonly kid: string
  readonly use: 'sig'
  readonly alg: 'RS256'
  readonly n: string
  readonly e: string
}

/** PEM (PKCS#8 or PKCS#1), a JWK, or node's own. */
export type KeyMaterial = string | JsonWebKey | KeyObject

/** @throws TenancyError KEY_INVALID when it is no RSA private key of 2048 to 8192 bits */
export function privateKey(material: KeyMaterial): KeyObject {
  let key: KeyObject
  try {
    if (material instanceof KeyObject) key = material
    else key = createPrivateKey(typeof material === 'string' ? material : { key: material, format: 'jwk' })
  } catch {
    throw keyInvalid('it is no private key in PEM (PKCS#8) or JWK form')
  }
  if (key.type !== 'private') throw keyInvalid('signing needs the private key')
  return strongRsa(key)
}

/** The public half, of a private or public key. @throws TenancyError KEY_INVALID */
export function publicKey(material: KeyMaterial): KeyObject {
  try {
    if (material instanceof KeyObject) {
      return strongRsa(material.type === 'public' ? material : createPublicKey(material))
    }
    if (typeof material === 'string') return strongRsa(createPublicKey(material))
    // Only the public members are taken along, whatever else the JWK has.
    const { kty, n, e } = material
    return strongRsa(createPublicKey({ key: { kty, n, e } as JsonWebKey, format: 'jwk' }))
  } catch {
    throw keyInvalid('it must be an RSA key of 2048 to 8192 bits with an exponent of at least 65537')
  }
}

/** The public key as a JWK, made member by member so that no private one can slip in. */
export function publicJwk(kid: string, key: KeyObject): PublicJwk {
  const { n, e } = publicKey(key).export({ format: 'jwk' })
  return { kty: 'RSA', kid, use: 'sig', alg: 'RS256', n: String(n), e: String(e) }
}

/** The key's thumbprint, the name a key gets when it is given none (RFC 7638, 3). */
export function thumbprint(key: KeyObject): string {
  const { n, e } = publicKey(key).export({ format: 'jwk' })
  return createHash('sha256')
    .update(JSON.stringify({ e, kty: 'RSA', n }))
    .digest('base64url')
}

/** Whether RS256 may be verified with it, whoever it is from: RSA, PKCS #1, in the bounds above. */
export function isStrongRsa(key: KeyObject): boolean {
  if (key.asymmetricKeyType !== 'rsa') return false
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  return modulusLength >= MIN_BITS && modulusLength <= MAX_BITS && publicExponent >= MIN_EXPONENT
}

function strongRsa(key: KeyObject): KeyObject {
  if (!isStrongRsa(key))
    throw keyInvalid('it must be an RSA key of 2048 to 8192 bits with an exponent of at least 65537')
  return key
}
