import { integerOption, TenancyError } from '@org/core'
import { prepareValue } from 'pg/lib/utils.js'
import type { TypeParsers } from '../driver/type-parsers.ts'
import { refuseUnsafe } from './refuse.ts'
import type { Extent } from './types/decoding.ts'

/** A query as an object, in the shape `pg` takes. */
export interface QueryConfig {
  readonly text: string
  readonly values?: readonly unknown[] | undefined
  /**
   * Prepares the statement under this name (1 to 40 bytes) on direct connections, apart for each tenant; behind a
   * pooler the name is ignored, because names clash there. What a migration has outlived is prepared anew by itself; behind
   * another statement of a scope that is a savepoint on the server, once for each name.
   */
  readonly name?: string | undefined
  /**
   * With `name`: the text says the type of every value (`$1::uuid`) and of every column it returns (default `false`). No migration
   * outlives such a statement, and the savepoint is saved. What is not so fails where it would have been prepared anew.
   */
  readonly steady?: boolean | undefined
  /** `array`: rows as arrays of columns. */
  readonly rowMode?: 'array' | undefined
  /** Parsers of this query, as `pg` takes them; a tenant's own types that they do not know are read as without them. */
  readonly types?: TypeParsers | undefined
}

/** In a query of a library over a tenant's pool: how much of its result is read for it. */
export const EXTENT: unique symbol = Symbol('extent')

/** A checked statement, its values already in the form that goes over the wire. */
export interface Statement {
  readonly text: string
  readonly values: readonly (string | Buffer | null)[]
  readonly name: string | undefined
  readonly steady: boolean
  readonly rowMode: 'array' | undefined
  readonly types: TypeParsers | undefined
  readonly extent: Extent
}

/** Bind counts its values in 16 bits (manual 54.7); one more would corrupt the message. */
const MAX_VALUES = 65_535
const KNOWN: ReadonlySet<string> = new Set([
  'text',
  'values',
  'name',
  'steady',
  'rowMode',
  'types',
] satisfies (keyof QueryConfig)[])

/**
 * Checks what a caller wants to run, before any of it is sent. Values are converted and copied now: later changes to an
 * array, object or buffer the caller still holds do not matter.
 *
 * @throws TenancyError VALIDATION_ERROR for anything malformed
 * @throws TenancyError STATEMENT_REFUSED for transaction and session commands
 */
export function toStatement(query: unknown, values?: unknown): Statement {
  const config = typeof query === 'string' ? { text: query } : toConfig(query)
  const { text, name, steady = false, rowMode, types } = config
  if (typeof text !== 'string') throw malformed('A query needs its SQL as a string (text).')
  if (text.includes('\0')) throw malformed('SQL text cannot contain a NUL character.')
  if (name !== undefined && !(typeof name === 'string' && /^[\w .:-]{1,40}$/.test(name))) {
    throw malformed('A statement name has 1 to 40 of: letters, digits, "_", ".", ":", "-", space.')
  }
  if (typeof steady !== 'boolean') throw malformed('steady is true or false.')
  if (rowMode !== undefined && rowMode !== 'array') throw malformed('rowMode is "array" or left out.')
  if (types !== undefined && typeof types?.getTypeParser !== 'function') {
    throw malformed('types needs a getTypeParser function, as pg.types has.')
  }
  refuseUnsafe(text)
  const { [EXTENT]: extent = 'all' } = config as { readonly [EXTENT]?: Extent }
  return { text, values: toValues(values ?? config.values), name, steady, rowMode, types, extent }
}

function toConfig(query: unknown): QueryConfig {
  if (typeof query !== 'object' || query === null) {
    throw malformed(
      'query takes SQL text and values, or an object { text, values, name, steady, rowMode, types }.',
    )
  }
  if (typeof (query as { submit?: unknown }).submit === 'function') {
    throw malformed(
      'Cursors, query streams and COPY streams of pg are not run here: use db.stream, db.copyTo or db.copyFrom.',
    )
  }
  for (const name of Object.keys(query)) {
    if (!KNOWN.has(name)) throw malformed(`A query has no option "${name.slice(0, 40)}" here.`)
  }
  return query as QueryConfig
}

function toValues(values: unknown): (string | Buffer | null)[] {
  if (values === undefined || values === null) return []
  if (!Array.isArray(values)) throw malformed('Values are an array: one for each of $1, $2, …')
  if (values.length > MAX_VALUES) throw malformed(`A statement takes at most ${MAX_VALUES} values.`)
  return values.map((value: unknown, index) => {
    try {
      return asBound(value)
    } catch {
      throw malformed(`Value $${index + 1} cannot be converted (a circular object, perhaps).`)
    }
  })
}

/** Bytes are the caller's own buffer, who may write the next value into it before this one is sent (hazard ab). */
function asBound(value: unknown): string | Buffer | null {
  const prepared = prepareValue(value)
  return typeof prepared === 'object' && prepared !== null ? Buffer.from(prepared) : prepared
}

/** Values as they are now, for a query that has to wait for others; {@link toStatement} refuses what cannot be converted. */
export function asOfNow(values: unknown): unknown[] | undefined {
  if (!Array.isArray(values)) return (values ?? undefined) as unknown[] | undefined
  return values.map((value: unknown) => {
    try {
      return asBound(value)
    } catch {
      return value
    }
  })
}

function malformed(message: string): TenancyError {
  return new TenancyError('VALIDATION_ERROR', message)
}

export interface StreamOptions {
  /** Rows fetched in one round trip and held in memory, 1 to 10,000 (default 500). */
  readonly batchSize?: number
}

/** A checked statement whose rows are read in batches. */
export interface StreamStatement extends Statement {
  readonly batchSize: number
}

/** @throws TenancyError INVALID_OPTION, and as {@link toStatement} */
export function toStreamStatement(
  query: unknown,
  values: unknown,
  { batchSize = 500 }: StreamOptions = {},
): StreamStatement {
  const statement = toStatement(query, values)
  return { ...statement, batchSize: integerOption('batchSize', batchSize, 1, 10_000) }
}
