import { createHash } from 'node:crypto'

/** What one table of a dropped tenant held. */
export interface DroppedTable {
  readonly name: string
  /** Rows at the end, when no scope could change them any more. */
  readonly rows: number
  /** Bytes on disk, with indexes and TOAST; of tables that tenants share those of its rows alone. */
  readonly bytes: number
}

/** What is known of an off-boarding; kept in the control schema, so that it outlives the process. */
export interface Receipt {
  readonly tenant: string
  /** At level `row` the one that all share. */
  readonly schema: string
  readonly role: string | null
  /** The tenant's own database, where it had one. */
  readonly database: string | null
  readonly isolation: string
  /** `deleting` until everything is gone. */
  readonly status: 'deleting' | 'deleted'
  /** Who asked for it, in the application's words. */
  readonly requestedBy: string | null
  /** The database role that did it. */
  readonly executedBy: string
  /** ISO 8601. */
  readonly startedAt: string
  readonly finishedAt: string | null
  readonly tables: readonly DroppedTable[]
  readonly rows: number
  readonly bytes: number
  /**
   * Roles that cannot log in and are still there: the tenant's own, where another database of the server uses it, and those that owned
   * an adopted tenant before, as long as that was not confirmed. Not of receipts of earlier releases.
   */
  readonly rolesLeft?: readonly string[]
  /** The backup taken before anything was dropped; `null` when it was skipped. */
  readonly backup: { readonly file: string | null; readonly bytes: number; readonly sha256: string } | null
}

/**
 * SHA-256 of a receipt, in hex, over its JSON with sorted names: what to sign, or to write down elsewhere, so that a
 * receipt cannot be changed later.
 *
 * @example
 * ```ts
 * import { digestOfReceipt } from '@org/pg-tenant/admin'
 *
 * await tenancy.provision('initech')
 * const receipt = await tenancy.offboard('initech', { confirm: 'initech', backup: 'skip' })
 * digestOfReceipt(receipt).length // → 64
 * ```
 */
export function digestOfReceipt(receipt: Receipt): string {
  return createHash('sha256').update(canonical(receipt)).digest('hex')
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(',')}}`
}
