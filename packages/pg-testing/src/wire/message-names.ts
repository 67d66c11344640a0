import type { WireSide } from './types.ts'

// https://www.postgresql.org/docs/18/protocol-message-formats.html
const FRONTEND: Readonly<Record<string, string>> = {
  B: 'Bind',
  C: 'Close',
  D: 'Describe',
  E: 'Execute',
  F: 'FunctionCall',
  H: 'Flush',
  P: 'Parse',
  Q: 'Query',
  S: 'Sync',
  X: 'Terminate',
  c: 'CopyDone',
  d: 'CopyData',
  f: 'CopyFail',
  // Password, SASL and GSS responses share one type byte; which one depends on the request before.
  p: 'PasswordMessage',
}

const BACKEND: Readonly<Record<string, string>> = {
  '1': 'ParseComplete',
  '2': 'BindComplete',
  '3': 'CloseComplete',
  A: 'NotificationResponse',
  C: 'CommandComplete',
  D: 'DataRow',
  E: 'ErrorResponse',
  G: 'CopyInResponse',
  H: 'CopyOutResponse',
  I: 'EmptyQueryResponse',
  K: 'BackendKeyData',
  N: 'NoticeResponse',
  R: 'Authentication',
  S: 'ParameterStatus',
  T: 'RowDescription',
  V: 'FunctionCallResponse',
  W: 'CopyBothResponse',
  Z: 'ReadyForQuery',
  c: 'CopyDone',
  d: 'CopyData',
  n: 'NoData',
  s: 'PortalSuspended',
  t: 'ParameterDescription',
  v: 'NegotiateProtocolVersion',
}

// The first message of a connection has no type byte, a code tells what it is.
const UNTYPED: ReadonlyMap<number, string> = new Map([
  [80877102, 'CancelRequest'],
  [80877103, 'SSLRequest'],
  [80877104, 'GSSENCRequest'],
])

/** A lookup by byte, built once: this runs for every DataRow. */
const byByte = (names: Readonly<Record<string, string>>): readonly string[] =>
  Array.from({ length: 256 }, (_, byte) => names[String.fromCharCode(byte)] ?? `Unknown(${byte})`)

const TYPED: Readonly<Record<WireSide, readonly string[]>> = {
  frontend: byByte(FRONTEND),
  backend: byByte(BACKEND),
}

export const typedName = (from: WireSide, byte: number): string => TYPED[from][byte] ?? `Unknown(${byte})`

export const untypedName = (code: number): string => UNTYPED.get(code) ?? 'Startup'
