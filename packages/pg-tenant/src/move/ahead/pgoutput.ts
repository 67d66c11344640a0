import { isUtf8 } from 'node:buffer'

/** What a table looks like in what follows (manual 55.9, "Relation"). */
export interface Relation {
  readonly oid: number
  readonly name: string
  readonly columns: readonly string[]
  /** Those of its replica identity; all where that is FULL. */
  readonly key: readonly string[]
}

/** A value as text; `null`, or left out where it lies apart (TOAST) and was not changed. */
export type Tuple = readonly (string | null | undefined)[]

/** One message of the plug-in `pgoutput`, protocol version 1: whole transactions, in the order of their COMMIT. */
export type Message =
  | { readonly kind: 'relation'; readonly relation: Relation }
  | { readonly kind: 'insert'; readonly oid: number; readonly row: Tuple }
  | { readonly kind: 'update'; readonly oid: number; readonly old: Tuple | undefined; readonly row: Tuple }
  | { readonly kind: 'delete'; readonly oid: number; readonly old: Tuple }
  | { readonly kind: 'truncate'; readonly oids: readonly number[] }
  | { readonly kind: 'commit'; readonly end: bigint }
  | { readonly kind: 'other' }

/** @throws RangeError where it is none */
export function readMessage(data: Buffer): Message {
  const read = new Reader(data)
  const kind = read.letter()
  if (kind === 'I') {
    const oid = read.int32()
    read.letter()
    return { kind: 'insert', oid, row: read.tuple() }
  }
  if (kind === 'U') {
    const oid = read.int32()
    const old = read.letter() === 'N' ? undefined : read.tuple()
    if (old) read.letter()
    return { kind: 'update', oid, old, row: read.tuple() }
  }
  if (kind === 'D') {
    const oid = read.int32()
    read.letter()
    return { kind: 'delete', oid, old: read.tuple() }
  }
  if (kind === 'R') return { kind: 'relation', relation: relationOf(read) }
  if (kind === 'T') {
    const count = read.int32()
    read.skip(1)
    return { kind: 'truncate', oids: Array.from({ length: count }, () => read.int32()) }
  }
  if (kind === 'C') {
    // Flags, and where the record of the COMMIT begins.
    read.skip(1 + 8)
    return { kind: 'commit', end: read.int64() }
  }
  // Begin, origins and types: nothing of them is needed.
  if ('BOYM'.includes(kind)) return { kind: 'other' }
  throw new RangeError('not a message of pgoutput, version 1')
}

function relationOf(read: Reader): Relation {
  const oid = read.int32()
  read.string()
  const name = read.string()
  read.skip(1)
  const key: string[] = []
  const columns = Array.from({ length: read.int16() }, () => {
    const isKey = read.letter() !== '\0'
    const column = read.string()
    read.skip(4 + 4)
    if (isKey) key.push(column)
    return column
  })
  return { oid, name, columns, key }
}

class Reader {
  readonly #data: Buffer
  #at = 0

  constructor(data: Buffer) {
    this.#data = data
  }

  skip(bytes: number): void {
    this.#at += bytes
  }

  letter(): string {
    return String.fromCharCode(this.#data.readUInt8(this.#at++))
  }

  int16(): number {
    this.#at += 2
    return this.#data.readInt16BE(this.#at - 2)
  }

  int32(): number {
    this.#at += 4
    return this.#data.readUInt32BE(this.#at - 4)
  }

  int64(): bigint {
    this.#at += 8
    return this.#data.readBigUInt64BE(this.#at - 8)
  }

  string(): string {
    const end = this.#data.indexOf(0, this.#at)
    if (end < 0) throw new RangeError('a name without an end')
    const found = this.#data.toString('utf8', this.#at, end)
    this.#at = end + 1
    return found
  }

  tuple(): Tuple {
    return Array.from({ length: this.int16() }, () => this.#value())
  }

  #value(): string | null | undefined {
    const kind = this.letter()
    if (kind === 'n') return null
    if (kind === 'u') return undefined
    if (kind !== 't') throw new RangeError('a value that is no text')
    const length = this.int32()
    const end = this.#at + length
    if (end > this.#data.length) throw new RangeError('a value without an end')
    const value = this.#data.subarray(this.#at, end)
    // A database in SQL_ASCII holds whatever came; read as text it would be something else.
    if (!isUtf8(value)) throw new RangeError('a value that is not in UTF-8')
    this.#at = end
    return value.toString('utf8')
  }
}
