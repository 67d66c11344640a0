import { TenancyError } from '@org/core'
import type { QueryConfig } from '../scope/statement.ts'

/** What the scope itself depends on, and what would change whose rows are seen. */
const REFUSED: ReadonlySet<string> = new Set([
  'role',
  'session_authorization',
  'search_path',
  'synchronous_commit',
  'row_security',
  'session_replication_role',
  'transaction_isolation',
  'transaction_read_only',
  'transaction_deferrable',
  'app.tenant_id',
])

/** Settings that have one value here: the driver and the scanner count on it. */
const FIXED: Readonly<Record<string, ReadonlySet<string>>> = {
  client_encoding: new Set(['utf8', 'utf-8', 'unicode']),
  standard_conforming_strings: new Set(['on', 'true', 'yes', '1']),
}

/**
 * What a client has SET: PostgreSQL would keep it for the connection, which here is somebody else's a moment later. It is
 * kept for the client and set again, for the transaction, in each scope it opens.
 */
export class SessionSettings {
  #values = new Map<string, string>()
  /** How they were where a transaction and its savepoints began: a rollback takes SET back (manual, SET). */
  #marks: { readonly name: string | null; readonly values: ReadonlyMap<string, string> }[] = []

  /** @param name of the savepoint; `null` where the transaction begins */
  mark(name: string | null): void {
    if (name === null) this.#marks = []
    this.#marks.push({ name, values: new Map(this.#values) })
  }

  /** As it was there. What was marked since is gone, as savepoints are. */
  backTo(name: string | null): void {
    const at = this.#marks.findLastIndex((mark) => mark.name === name)
    const found = this.#marks[at]
    if (!found) return
    this.#values = new Map(found.values)
    this.#marks = this.#marks.slice(0, at + 1)
  }

  /** @throws TenancyError STATEMENT_REFUSED when there are too many */
  set(name: string, value: string): void {
    if (this.#values.size >= MAX && !this.#values.has(name)) throw refused(name)
    this.#values.set(name, value)
  }

  reset(name: string | null): void {
    if (name === null) this.#values.clear()
    else this.#values.delete(name)
  }

  /** The statement that sets them again, or `undefined` when there are none. */
  get statement(): QueryConfig | undefined {
    if (this.#values.size === 0) return undefined
    return { text: APPLY, values: [[...this.#values.keys()], [...this.#values.values()]] }
  }
}

/**
 * The statement that sets one for the rest of the transaction; `undefined` where it has that value in any case.
 *
 * @throws TenancyError STATEMENT_REFUSED for what a scope depends on
 */
export function setLocal(name: string, value: string): QueryConfig | undefined {
  const fixed = Object.hasOwn(FIXED, name) ? FIXED[name] : undefined
  if (fixed?.has(value.toLowerCase())) return undefined
  if (fixed || REFUSED.has(name)) throw refused(name)
  return { text: APPLY, values: [[name], [value]] }
}

const MAX = 50
const APPLY = `select pg_catalog.set_config(name, value, true)
  from rows from (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) as s (name, value)`

function refused(name: string): TenancyError {
  return new TenancyError(
    'STATEMENT_REFUSED',
    `A tenant's pool does not run SET ${name.slice(0, 60)}: tenant, path and durability are the scope's.`,
    { details: { setting: name.slice(0, 60) } },
  )
}
