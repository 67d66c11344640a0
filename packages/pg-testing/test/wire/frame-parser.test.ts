import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameParser, type Piece } from '../../src/wire/frame-parser.ts'
import type { WireSide } from '../../src/wire/index.ts'
import { cancelRequest, query, sslRequest, startup, typed } from './wire-bytes.ts'

const opened = (pieces: readonly Piece[]) => pieces.flatMap((piece) => (piece.opens ? [piece.message] : []))
const bytesOf = (pieces: readonly Piece[]) => Buffer.concat(pieces.map((piece) => piece.bytes))

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end))
}

const body = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.integer({ min: 70_000, max: 70_001 }).map((length) => Buffer.alloc(length, 7)),
)
const frame = (types: string) =>
  fc.tuple(fc.constantFrom(...types), body).map(([type, bytes]) => typed(type, Buffer.from(bytes)))
const cuts = fc.array(fc.nat(), { maxLength: 12 })

const parse = (from: WireSide, chunks: readonly Buffer[]): Piece[] => {
  const parser = new FrameParser(from, true)
  return chunks.flatMap((chunk) => parser.push(chunk))
}

describe('FrameParser', () => {
  it.each<[WireSide, string, Buffer]>([
    ['frontend', 'BCDEFHPQSXcdfp', startup()],
    ['backend', '123ACDEGHIKNRSTVWZcdnstv', Buffer.alloc(0)],
  ])('reads the same %s messages however the stream is cut', (from, types, first) => {
    fc.assert(
      fc.property(fc.array(frame(types), { maxLength: 8 }), cuts, (frames, at) => {
        const stream = Buffer.concat([first, ...frames])
        const whole = parse(from, [stream])
        const pieces = parse(from, split(stream, at))
        expect(opened(pieces)).toEqual(opened(whole))
        expect(opened(whole)).toHaveLength(frames.length + (first.length > 0 ? 1 : 0))
        expect(pieces.filter((piece) => piece.closes)).toHaveLength(opened(whole).length)
        expect(bytesOf(pieces).equals(stream)).toBe(true)
      }),
    )
  })

  it('passes every byte of a stream that is not this protocol', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8 }), cuts, (bytes, at) => {
        const stream = Buffer.concat([Buffer.from([0x16, 3, 1, 2]), Buffer.from(bytes)])
        expect(bytesOf(parse('frontend', split(stream, at))).equals(stream)).toBe(true)
      }),
    )
  })

  it('reads the texts', () => {
    const stream = [startup(), query('select 1'), typed('P', 'name\0select 2\0\0\0')]
    expect(opened(parse('frontend', stream))).toEqual([
      { type: 'Startup', length: startup().length },
      { type: 'Query', length: 14, text: 'select 1' },
      { type: 'Parse', length: 21, text: 'select 2' },
    ])
    const answers = [typed('C', 'SELECT 1\0'), typed('E', 'SERROR\0VERROR\0C42P01\0Mno\0\0'), typed('Z', 'T')]
    expect(opened(parse('backend', answers)).map((message) => message?.text)).toEqual([
      'SELECT 1',
      '42P01',
      'T',
    ])
  })

  it('reads untyped messages until Startup', () => {
    const types = opened(parse('frontend', [sslRequest(), startup(), query('')])).map((m) => m?.type)
    expect(types).toEqual(['SSLRequest', 'Startup', 'Query'])
    expect(opened(parse('frontend', [cancelRequest()])).map((m) => m?.type)).toEqual(['CancelRequest'])
  })

  it.each(['S', 'G'])('stops parsing after the reply %s', (reply) => {
    const parser = new FrameParser('backend', true)
    parser.expectReply()
    const pieces = parser.push(Buffer.from(`${reply}ZZZZZZ`))
    expect(opened(pieces)).toEqual([{ type: 'EncryptionResponse', length: 1, text: reply }])
    expect(parser.opaque).toBe(true)
    expect(bytesOf(pieces).toString()).toBe(`${reply}ZZZZZZ`)
  })

  it('reads on after the reply N, and takes an ErrorResponse for what it is', () => {
    for (const reply of [Buffer.from('N'), Buffer.alloc(0)]) {
      const parser = new FrameParser('backend', true)
      parser.expectReply()
      const pieces = parser.push(Buffer.concat([reply, typed('E', 'C0A000\0\0')]))
      expect(opened(pieces).at(-1)).toEqual({ type: 'ErrorResponse', length: 13, text: '0A000' })
    }
  })

  it('passes a large message as it comes, without waiting for its end', () => {
    const parser = new FrameParser('backend', true)
    const head = typed('D', Buffer.alloc(1_000_000)).subarray(0, 5)
    expect(parser.push(head)).toHaveLength(1)
    const chunk = Buffer.alloc(1000)
    expect(bytesOf(parser.push(chunk)).equals(chunk)).toBe(true)
    expect(parser.holdsBytes).toBe(false)
  })

  it('names a message type it does not know by its byte', () => {
    expect(opened(parse('backend', [typed('~', '')]))).toEqual([{ type: 'Unknown(126)', length: 5 }])
  })
})
