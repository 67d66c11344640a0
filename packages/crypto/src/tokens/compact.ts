import { invalidToken } from './errors.ts'

/** A token's parts before anything in it is believed. */
export interface UnverifiedToken {
  readonly kid: string
  /** the claims as they stand; the signature has not been looked at */
  readonly claims: Readonly<Record<string, unknown>>
  /** what was signed (RFC 7515, 5.1), and the signature */
  readonly signed: Buffer
  readonly signature: Buffer
}

/**
 * Header parameters that bring a key along, change how the rest is read, or belong to encryption (RFC 7515, 4.1;
 * RFC 7797; RFC 7516). We use none of them, and an issuer we trust sends none: refused, not ignored.
 */
const REFUSED = ['crit', 'b64', 'jwk', 'jku', 'x5u', 'x5c', 'zip', 'enc', 'cty'] as const

/** Objects and arrays within one another; deeper claims are refused before anything walks through them. */
const MAX_DEPTH = 16
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Takes a compact JWS apart (RFC 7515, 7.1) and refuses whatever is not exactly in the form we issue.
 *
 * @param types the accepted values of `typ`, in lower case
 * @throws TenancyError INVALID_TOKEN
 */
export function readCompact(token: string, types: readonly string[]): UnverifiedToken {
  const parts = token.split('.', 4)
  const [head, body, signature] = parts
  if (parts.length !== 3 || !head || !body || !signature) throw invalidToken('not_a_jws')
  const bytes = canonicalBytes(signature)
  const header = jsonObject(canonicalBytes(head))
  if (header.alg !== 'RS256') throw invalidToken('algorithm')
  // Without `typ` it is a JWT (RFC 7519, 5.1), where those are accepted.
  const typ = header.typ === undefined ? 'jwt' : header.typ
  if (typeof typ !== 'string' || !types.includes(typ.toLowerCase())) throw invalidToken('type')
  if (typeof header.kid !== 'string' || header.kid.length < 1 || header.kid.length > 256)
    throw invalidToken('key_id')
  if (REFUSED.some((name) => Object.hasOwn(header, name))) throw invalidToken('header')
  return {
    kid: header.kid,
    claims: jsonObject(canonicalBytes(body)),
    // Base64url and a point: bytes of ASCII.
    signed: Buffer.from(token.slice(0, head.length + 1 + body.length), 'latin1'),
    signature: bytes,
  }
}

/**
 * Decodes base64url as RFC 4648 writes it and no other way (section 3.5): no padding, no stray characters, no bits
 * set that do not count. Otherwise one token could be written in many ways.
 */
export function canonicalBytes(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.toString('base64url') !== text) throw invalidToken('not_canonical')
  return bytes
}

function jsonObject(bytes: Buffer): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(utf8.decode(bytes))
  } catch {
    throw invalidToken('not_json')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidToken('not_json')
  freezeJson(value, MAX_DEPTH)
  return value as Readonly<Record<string, unknown>>
}

/** Frozen all through: callers share the claims of a token seen again, and one must not change them for the next. */
function freezeJson(value: object, depth: number): void {
  if (depth === 0) throw invalidToken('not_json')
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) freezeJson(inner, depth - 1)
  }
  Object.freeze(value)
}
