import { typedName, untypedName } from './message-names.ts'
import { TEXT_LIMIT_BYTES, textReader } from './message-text.ts'
import type { WireMessage, WireSide } from './types.ts'

/** A message as the parser knows it: not yet which connection it is on, nor which side sent it. */
export type ParsedMessage = Pick<WireMessage, 'type' | 'length' | 'text'>

/**
 * How the next bytes are framed: `first` without a type byte (until Startup), `typed` after it, `reply`
 * one byte that answers SSLRequest or GSSENCRequest, `opaque` not at all (TLS, or not this protocol).
 */
export type Framing = 'first' | 'typed' | 'reply' | 'opaque'

/** `undefined`: more bytes are needed. `malformed`: no frame can begin like this. */
export type Head = { readonly message: ParsedMessage; readonly next: Framing } | 'malformed' | undefined

// The server refuses longer ones (MAX_STARTUP_PACKET_LENGTH), and so a TLS ClientHello is told apart.
const STARTUP_LIMIT_BYTES = 10_000
const UNTYPED_HEAD_BYTES = 8
const TYPED_HEAD_BYTES = 5

function readTyped(from: WireSide, bytes: Buffer, withText: boolean): Head {
  if (bytes.length < TYPED_HEAD_BYTES) return undefined
  const type = typedName(from, bytes.readUInt8(0))
  const bodyLength = bytes.readInt32BE(1) - 4 // the length field counts itself
  if (bodyLength < 0) return 'malformed'
  const length = TYPED_HEAD_BYTES + bodyLength
  const read = withText ? textReader(type) : undefined
  if (read === undefined) return { message: { type, length }, next: 'typed' }
  const end = Math.min(length, TYPED_HEAD_BYTES + TEXT_LIMIT_BYTES)
  if (bytes.length < end) return undefined
  return { message: { type, length, text: read(bytes.subarray(TYPED_HEAD_BYTES, end)) }, next: 'typed' }
}

function readFirst(bytes: Buffer): Head {
  if (bytes.length < UNTYPED_HEAD_BYTES) return undefined
  const length = bytes.readInt32BE(0)
  if (length < UNTYPED_HEAD_BYTES || length > STARTUP_LIMIT_BYTES) return 'malformed'
  const type = untypedName(bytes.readInt32BE(4))
  // After a refused SSLRequest another untyped message follows.
  return { message: { type, length }, next: type === 'Startup' ? 'typed' : 'first' }
}

function readReply(bytes: Buffer, withText: boolean): Head {
  const text = bytes.toString('latin1', 0, 1)
  // A server that knows no encryption at all answers with an ordinary ErrorResponse instead.
  if (text !== 'S' && text !== 'G' && text !== 'N') return readTyped('backend', bytes, withText)
  return { message: { type: 'EncryptionResponse', length: 1, text }, next: text === 'N' ? 'typed' : 'opaque' }
}

/** Reads as much of a message as is needed to know what it is. */
export function readHead(
  framing: Exclude<Framing, 'opaque'>,
  from: WireSide,
  bytes: Buffer,
  withText: boolean,
): Head {
  if (framing === 'first') return readFirst(bytes)
  if (framing === 'reply') return readReply(bytes, withText)
  return readTyped(from, bytes, withText)
}
