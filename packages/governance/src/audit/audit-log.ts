import {
  codedControl,
  type OptionNames,
  parseTenantKey,
  type Queryable,
  requireKnownOptions,
  type TenantKey,
  type TenantQueryable,
} from '@org/core'
import { parseControlSchema } from '../control/control-schema.ts'
import { pinnedControl, withOwnPath } from '../control/pinned.ts'
import { integerOption, invalidField, invalidOption } from '../input/input.ts'
import { momentOf } from '../input/moment.ts'
import { type MacKeys, macsOf } from '../keys/macs.ts'
import { qualify } from '../sql/identifier.ts'
import type { FieldRules } from './diff.ts'
import { type AuditEntry, checkEntry } from './entry.ts'
import { type AuditBatch, followEntries, START } from './follow.ts'
import { type AuditPage, type AuditPageOptions, listEntries } from './list.ts'
import type { PersonalSealing } from './personal.ts'
import { insertSql, write, writtenOf } from './record.ts'
import { type SealReport, sealBatch } from './seal.ts'
import { type AuditVerification, horizonText, thinSql, verifyLog } from './verify.ts'

export interface AuditLogOptions {
  /** Of the application, 32 bytes each; the first signs. Without one of them an entry is not genuine. */
  readonly keys: MacKeys
  /** Fields that are left out or kept under the subject's key, by the type of the entity. */
  readonly fields?: Readonly<Record<string, FieldRules>> | undefined
  /** Keys of the subjects (default: none, and nothing personal is kept). */
  readonly personal?: PersonalSealing | undefined
  /** As it was installed (default `governance`). */
  readonly controlSchema?: string | undefined
}

/** Who did what in a tenant. Made by {@link auditLog}. */
export interface AuditLog {
  /**
   * Records in the transaction of `db`: the entry is there if what it tells of is. Costs no round trip of its own where the
   * handle can queue, as those of `@org/pg-tenant` can; what the server refuses then rejects the call it went out with.
   *
   * @throws TenancyError VALIDATION_ERROR with the field
   */
  record(db: TenantQueryable, entry: AuditEntry): Promise<void>
  /** Records up to 10,000 entries with one statement, for changes in bulk. Errors as {@link record}. */
  recordAll(db: TenantQueryable, entries: readonly AuditEntry[]): Promise<void>
  /**
   * A tenant's entries, newest first.
   *
   * @param control a pool of a role that `installAudit` was given among the readers
   * @throws TenancyError VALIDATION_ERROR with the field; SERVICE_UNAVAILABLE, DATABASE_ERROR
   */
  list(control: Queryable, tenant: string, options?: AuditPageOptions): Promise<AuditPage>
  /**
   * The entries of all tenants behind a position, in the order of their transactions: for streaming them elsewhere. What
   * commits late is never passed over; while a transaction is open, what began after it waits.
   *
   * @param options.after the position of the batch before (default: the beginning)
   * @param options.limit 1 to 10,000 (default 1,000)
   * @throws TenancyError VALIDATION_ERROR with the field; CONFLICT, `details.reason` `other_server`, for a position of another
   *   server, where the log came here by a dump: begin at the beginning, entries have ids; SERVICE_UNAVAILABLE, DATABASE_ERROR
   */
  follow(
    control: Queryable,
    options?: { readonly after?: string | undefined; readonly limit?: number | undefined },
  ): Promise<AuditBatch>
  /**
   * Seals what is not sealed yet, in batches, each a Merkle tree over entries of one tenant that holds the digest of the one
   * before. May run anywhere, also twice at once; killed in the middle it goes on where it was.
   *
   * @param admin the tables' owner
   * @param options.batch entries of one round, 1 to 10,000 (default 2,000)
   * @throws TenancyError INVALID_OPTION; CONFLICT, `details.reason` `other_server`, where the log came here by a dump and
   *   doctor's statements were not run; SERVICE_UNAVAILABLE, DATABASE_ERROR
   */
  seal(admin: Queryable, options?: { readonly batch?: number | undefined }): Promise<SealReport>
  /**
   * Whether a tenant's log is as it was written and sealed; names what is not, the first first.
   *
   * @param options.expected the `head` of an earlier verification, kept elsewhere: a log whose end was cut off shows
   * @throws TenancyError VALIDATION_ERROR; CONFLICT, `details.reason` `other_server`, as {@link seal}; SERVICE_UNAVAILABLE, DATABASE_ERROR
   */
  verify(
    control: Queryable,
    tenant: string,
    options?: { readonly expected?: { readonly number: number; readonly digest: string } | undefined },
  ): Promise<AuditVerification>
  /**
   * Says, signed, that entries before a moment may be gone, so that `verify` knows; retention calls it before it removes
   * them.
   *
   * @param options.except tenants whose entries are kept (a legal hold)
   */
  removed(
    admin: Queryable,
    before: Date,
    options?: { readonly except?: readonly string[] | undefined },
  ): Promise<void>
  /** Takes out of seals what they say of single entries that are gone; the chain stays. Retention calls it afterwards. */
  thin(admin: Queryable): Promise<void>
  /** Removes all of a tenant, seals included: for `onForget`, when a tenant is off-boarded. */
  forget(admin: Queryable, tenant: string): Promise<void>
}

const AUDIT_LOG_OPTIONS: OptionNames<AuditLogOptions> = {
  keys: true,
  fields: true,
  personal: true,
  controlSchema: true,
}

/**
 * @throws TenancyError INVALID_OPTION, KEY_INVALID
 * @example
 * ```ts
 * import { auditLog, installAudit } from '@org/governance/audit'
 *
 * await installAudit(adminPool, { isolation: tenancy.isolation, rolePrefix })
 * const audit = auditLog({ keys: { k1: Buffer.alloc(32, 7) } }) // from the environment
 * await tenancy.withTenant('acme', async (db) => {
 *   const { rows } = await db.query<{ id: string; body: string }>('insert into notes (body) values ($1) returning *', ['hi'])
 *   const actor = { type: 'user', id: 'u1' } as const
 *   for (const after of rows) {
 *     await audit.record(db, { actor, action: 'notes.note.create', entity: { type: 'note', id: after.id }, after })
 *   }
 * })
 * ```
 */
export function auditLog(options: AuditLogOptions): AuditLog {
  requireKnownOptions(options, AUDIT_LOG_OPTIONS)
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object with keys')
  const { personal, fields = {} } = options
  const macs = macsOf(options.keys, 'audit')
  const schema = parseControlSchema(options.controlSchema)
  const table = (name: string) => qualify(schema, name)
  const tables = {
    log: table('audit_log'),
    seal: table('audit_seal'),
    sealer: table('audit_sealer'),
    horizon: table('audit_horizon'),
  }
  const insert = insertSql(tables.log)
  const INSTALL = 'installAudit(admin)'
  const coded = (control: Queryable) => codedControl(control, INSTALL)
  const pinned = (admin: Queryable) => pinnedControl(admin, INSTALL)
  const written = (tenant: TenantKey, entries: readonly AuditEntry[]) => {
    const checked = entries.map((entry) => checkEntry(entry, fields))
    return Promise.all(checked.map((entry) => writtenOf(tenant, entry, macs, personal)))
  }
  return {
    record: async (db, entry) => write(db, insert, await written(db.tenant, [entry])),
    recordAll: async (db, entries) => {
      if (!Array.isArray(entries) || entries.length > 10_000)
        throw invalidField('entries', 'up to 10000 entries')
      await write(db, insert, await written(db.tenant, entries))
    },
    list: async (control, tenant, page = {}) =>
      listEntries(coded(control), tables.log, keyOf(tenant), page, personal),
    follow: async (control, { after = START, limit = 1_000 } = {}) =>
      followEntries(coded(control), tables.log, after, limit),
    seal: async (admin, { batch } = {}) => {
      const limit = integerOption('batch', batch ?? 2_000, 1, 10_000)
      const total = { entries: 0, seals: 0 }
      for (;;) {
        const done = await withOwnPath(admin, INSTALL, (own) => sealBatch(own, tables, macs, limit))
        if (done === undefined) return total
        total.entries += done.entries
        total.seals += done.seals
      }
    },
    verify: async (control, tenant, { expected } = {}) =>
      verifyLog(coded(control), tables, macs, keyOf(tenant), expected),
    removed: async (admin, moment, { except = [] } = {}) => {
      const before = `${momentOf(moment, 'before')?.slice(0, -1)}000Z`
      const held = except.map(keyOf).sort()
      await pinned(admin).query(
        `insert into ${tables.horizon} (before, except_tenants, mac) values ($1::timestamptz, $2::text[], $3::text)
          on conflict do nothing`,
        [before, held, macs.sign('horizon', horizonText(before, held))],
      )
    },
    thin: async (admin) => {
      await pinned(admin).query(thinSql(tables))
    },
    forget: async (admin, tenant) => {
      await pinned(admin).query(
        `with log as (delete from ${tables.log} where tenant = $1::text)
        delete from ${tables.seal} where tenant = $1::text`,
        [keyOf(tenant)],
      )
    },
  }
}

/** The tenancy knows its prefix; here it is enough that the key could be one. */
function keyOf(tenant: unknown): TenantKey {
  return parseTenantKey(tenant, { prefix: '' })
}
