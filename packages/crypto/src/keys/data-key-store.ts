import { isTenancyError, type Queryable, type QueryRows, TenancyError } from '@org/core'
import { type DataKeyTable, dataKeyStatements } from './sql.ts'

/** A data key as it is stored. */
export interface WrappedKey {
  readonly id: string
  readonly wrapped: string
  /** when it begins to seal: milliseconds since 1970, by the database's clock */
  readonly from: number
}

/** A tenant's row. */
export interface StoredKeys {
  readonly keys: readonly WrappedKey[]
  /** goes up with every change */
  readonly revision: string
  readonly destroyed: boolean
  /** the database's clock when it was read, as `from` */
  readonly now: number
}

/** The table of data keys: each method is one statement, and says whether it changed anything. */
export interface DataKeyStore {
  read(tenant: string): Promise<StoredKeys | undefined>
  create(tenant: string, id: string, wrapped: string): Promise<void>
  append(tenant: string, revision: string, key: WrappedKey): Promise<boolean>
  replace(tenant: string, revision: string, keys: readonly WrappedKey[]): Promise<boolean>
  destroy(tenant: string): Promise<void>
  startOver(tenant: string, id: string, wrapped: string, afterMs: number): Promise<boolean>
  page(after: string, limit: number): Promise<string[]>
}

export function dataKeyStore(db: Queryable, at: DataKeyTable): DataKeyStore {
  const sql = dataKeyStatements(at)
  const run = <R extends object>(text: string, values: readonly unknown[]): Promise<QueryRows<R>> =>
    Promise.resolve(db.query<R>(text, values)).catch(coded)
  const changes = async (text: string, values: readonly unknown[]): Promise<boolean> =>
    (await run(text, values)).rowCount === 1
  return {
    async read(tenant) {
      const { rows } = await run<Row>(sql.read, [tenant])
      return rows[0] && fromRow(rows[0])
    },
    async create(tenant, id, wrapped) {
      await run(sql.create, [tenant, id, wrapped])
    },
    append: (tenant, revision, { id, wrapped, from }) =>
      changes(sql.append, [tenant, revision, id, wrapped, from]),
    replace: (tenant, revision, keys) => changes(sql.replace, [tenant, revision, JSON.stringify(keys)]),
    async destroy(tenant) {
      await run(sql.destroy, [tenant])
    },
    startOver: (tenant, id, wrapped, afterMs) => changes(sql.startOver, [tenant, id, wrapped, afterMs]),
    async page(after, limit) {
      const { rows } = await run<{ tenant: string }>(sql.page, [after, limit])
      return rows.map((row) => row.tenant)
    },
  }
}

/** Everything as text, so that no driver's idea of JSON or of big numbers comes between. */
interface Row {
  readonly keys: string
  readonly revision: string
  readonly destroyed: boolean
  readonly now: string
}

function fromRow(row: Row): StoredKeys {
  const keys: readonly WrappedKey[] = JSON.parse(row.keys)
  return { keys, revision: row.revision, destroyed: row.destroyed, now: Number(row.now) }
}

/** A driver's error can quote parameters in its `detail`: only its SQLSTATE goes on. */
function coded(error: unknown): never {
  if (isTenancyError(error)) throw error
  const code: unknown = (error as { code?: unknown } | null)?.code
  const sqlstate = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : null
  throw new TenancyError(
    'DATABASE_ERROR',
    'The table of data keys could not be read or written. Run dataKeyMigration(), grant select, insert and update ' +
      'on the table to the role of this connection, and see the SQLSTATE in details.',
    { details: { sqlstate } },
  )
}
