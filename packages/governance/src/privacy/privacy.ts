import {
  codedControl,
  type OptionNames,
  parseTenantKey,
  type Queryable,
  type Row,
  requireKnownOptions,
  type TenantKey,
  type TenantQueryable,
} from '@org/core'
import { parseControlSchema } from '../control/control-schema.ts'
import { integerOption, invalidOption, textOf } from '../input/input.ts'
import { qualify } from '../sql/identifier.ts'
import type { TenantScopes } from '../tenants/scopes.ts'
import { inHand, type OutboxPlace, ownEvents, queuedEvents } from './events.ts'
import type { PersonalData } from './personal-data.ts'
import { COLUMNS, eraseSql, ownRowsOf, selectSql } from './sql.ts'
import type { SubjectKeys } from './subject-keys.ts'

export interface PrivacyOptions {
  readonly data: PersonalData
  readonly scopes: TenantScopes
  /** A pool of a role among the managers, in the control database. */
  readonly control: Queryable
  /** Needed where rules for events are declared: the outbox, as the tenancy's level has it. */
  readonly outbox?: OutboxPlace | undefined
  /** Milliseconds that an erasure waits for handlers that have an event of the person in their hands (default 5,000). */
  readonly patience?: number | undefined
  /** Keys that are destroyed with the person (default none). */
  readonly keys?: Pick<SubjectKeys, 'destroy'> | undefined
  /** What the keys and other packages call somebody (default `user:` and the id). */
  readonly subjectOf?: ((id: string) => string) | undefined
  /** Whatever else there is to do, in the same transaction: end sessions, revoke keys. May be called again. */
  readonly onErase?: ((db: TenantQueryable, id: string) => Promise<unknown>) | undefined
  /** As it was installed (default `governance`). */
  readonly controlSchema?: string | undefined
}

/** A column nobody has said anything about, or one that is declared and not there. */
export interface PrivacyFinding {
  readonly code: 'unclassified' | 'missing'
  readonly table: string
  readonly column: string
}

/** All there is of somebody, by table. */
export type SubjectData = Readonly<Record<string, readonly Row[]>>

export interface ErasureReport {
  /** Rows that were changed or removed now, by table; those that were erased before are not counted. */
  readonly rows: Readonly<Record<string, number>>
  /**
   * Handlers that still had an event of the person in their hands when patience ran out: what they write may say what was
   * erased. The erasure counts as not done: `finish`, or the same call again, erases what they wrote.
   */
  readonly inHand: number
}

/** An erasure that was asked for. */
export interface Erasure {
  readonly subject: string
  /** ISO 8601. */
  readonly requestedAt: string
  readonly done: boolean
}

/** Made by {@link privacy}. */
export interface Privacy {
  /** Columns of the tenant's tables that are not declared, and declared ones that are not there; for `doctor`. */
  check(db: TenantQueryable): Promise<readonly PrivacyFinding[]>
  /**
   * Everything of one person in one tenant, from one moment.
   *
   * @param id as the subject columns have it
   * @throws TenancyError VALIDATION_ERROR; errors of a scope
   */
  export(tenant: string, id: string): Promise<SubjectData>
  /**
   * Erases a person irreversibly and keeps the id: values go in every declared table, in one transaction; then keys are
   * destroyed. So do they in events, wherever they wait or are kept, if rules for them are declared. The ledger is written first, so that an erasure that was cut off is known; repeating it finishes it, and is
   * nothing when it is done.
   *
   * @param options.dryRun only counts the rows; nothing is written, not even in the ledger
   * @throws TenancyError VALIDATION_ERROR; errors of a scope; SERVICE_UNAVAILABLE, DATABASE_ERROR
   */
  erase(
    tenant: string,
    id: string,
    options?: { readonly dryRun?: boolean | undefined },
  ): Promise<ErasureReport>
  /**
   * Erases once more whoever the ledger names: after a restore, before anybody is let in.
   *
   * @returns how many people
   */
  replay(tenant: string): Promise<number>
  /**
   * Erases once more whoever's erasure was cut off, or had events in a handler's hands; of all tenants. For a job that runs every hour.
   *
   * @returns how many people
   * @throws what the first failed with (its tenant is suspended, say), behind all others
   */
  finish(): Promise<number>
  /** Who was erased, or should have been. Keep a copy where a restore of the control database does not reach. */
  ledger(tenant: string): Promise<readonly Erasure[]>
}

const PRIVACY_OPTIONS: OptionNames<PrivacyOptions> = {
  data: true,
  outbox: true,
  patience: true,
  scopes: true,
  control: true,
  keys: true,
  subjectOf: true,
  onErase: true,
  controlSchema: true,
}

/**
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { installPrivacy, personalData, privacy } from '@org/governance/privacy'
 *
 * await installPrivacy(adminPool)
 * const data = personalData({ users: { subject: 'id', columns: { id: 'keep', email: 'email', name: 'text' } } })
 * const people = privacy({ data, scopes: tenancy, control: adminPool })
 * const { rows } = await tenancy.query<{ id: string }>('acme', `insert into users (email) values ('ana@example.com') returning id`)
 * for (const { id } of rows) {
 *   const all = await people.export('acme', id)
 *   await people.erase('acme', id)
 * }
 * ```
 */
export function privacy(options: PrivacyOptions): Privacy {
  requireKnownOptions(options, PRIVACY_OPTIONS)
  const { data, scopes, keys, onErase, subjectOf = (id: string) => `user:${id}` } = options ?? {}
  if (!(data?.tables instanceof Map)) throw invalidOption('data', 'made by personalData')
  if (typeof scopes?.withTenant !== 'function') throw invalidOption('scopes', 'a tenancy')
  const patience = integerOption('patience', options.patience ?? 5_000, 0, 600_000)
  const eventful = [...(data.events ?? new Map()).values()].some((rules) => rules !== 'keep')
  if (eventful && options.outbox === undefined)
    throw invalidOption('outbox', 'given: there are rules for events')
  if (typeof options.control?.query !== 'function') throw invalidOption('control', 'a pool')
  const control = codedControl(options.control, 'installPrivacy(admin)')
  const table = qualify(parseControlSchema(options.controlSchema), 'erasure_ledger')
  const keyOf = (tenant: unknown) => parseTenantKey(tenant, { prefix: '' })

  const queue = eventful && options.outbox ? queuedEvents(options.control, options.outbox, data) : undefined
  const own = eventful && options.outbox ? ownEvents(options.outbox, data) : undefined

  const eraseIn = async (
    db: TenantQueryable,
    id: string,
    dryRun: boolean,
  ): Promise<Record<string, number>> => {
    const rows: Record<string, number> = {}
    for (const [name, rules] of inOrder(data)) {
      const { where, prefix } = ownRowsOf(rules, data.tables)
      const sql = eraseSql(name, rules, where, dryRun)
      if (sql !== undefined) rows[name] = (await db.query(sql, [prefix + id])).rowCount ?? 0
    }
    Object.assign(rows, await own?.erase(db, id, dryRun))
    if (!dryRun) await onErase?.(db, id)
    return rows
  }
  const erase = async (tenant: TenantKey, id: string, dryRun = false): Promise<ErasureReport> => {
    if (dryRun) {
      const rows = await scopes.withTenant(tenant, (db) => eraseIn(db, id, true), ONE_MOMENT)
      return { rows: { ...rows, ...(await queue?.count(tenant, id)) }, inHand: 0 }
    }
    await control.query(
      `insert into ${table} (tenant, subject) values ($1::text, $2::text) on conflict do nothing`,
      [tenant, id],
    )
    // Where events begin in the tenant's own database, nothing more may come from there.
    const begun = await own?.eraseOutbox((fn) => scopes.withTenant(tenant, fn), id)
    const queued = await queue?.erase(tenant, id)
    // What a handler has read it may still write: behind it.
    const left = queued === undefined ? 0 : await inHand(queued.leases, queue, patience)
    const rows = await scopes.withTenant(tenant, (db) => eraseIn(db, id, false))
    await keys?.destroy(tenant, subjectOf(id))
    const report = { rows: { ...rows, ...begun, ...queued?.rows }, inHand: left }
    if (left > 0) return report
    await control.query(
      `update ${table} set done_at = now() where tenant = $1::text and subject = $2::text and done_at is null`,
      [tenant, id],
    )
    return report
  }
  const ledger = async (tenant: TenantKey): Promise<readonly Erasure[]> => {
    const { rows } = await control.query<Erasure>(
      `select subject, to_char(requested_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "requestedAt",
          done_at is not null as done
        from ${table} where tenant = $1::text order by requested_at, subject`,
      [tenant],
    )
    return rows
  }
  return {
    check: async (db) => check(db, data),
    export: async (tenant, id) => {
      const subject = textOf(id, 'id')
      const key = keyOf(tenant)
      const found = await scopes.withTenant(
        key,
        async (db) => ({ ...(await exportFrom(db, data, subject)), ...(await own?.export(db, subject)) }),
        ONE_MOMENT,
      )
      return { ...found, ...(await queue?.export(key, subject)) }
    },
    erase: async (tenant, id, { dryRun = false } = {}) => erase(keyOf(tenant), textOf(id, 'id'), dryRun),
    replay: async (tenant) => {
      const key = keyOf(tenant)
      const all = await ledger(key)
      for (const { subject } of all) await erase(key, subject)
      return all.length
    },
    finish: async () => {
      const { rows } = await control.query<{ tenant: string; subject: string }>(
        `select tenant, subject from ${table} where done_at is null order by requested_at, tenant, subject`,
      )
      const failed: unknown[] = []
      for (const { tenant, subject } of rows)
        await erase(keyOf(tenant), subject).catch((error: unknown) => failed.push(error))
      if (failed.length > 0) throw failed[0]
      return rows.length
    },
    ledger: async (tenant) => ledger(keyOf(tenant)),
  }
}

const ONE_MOMENT = { isolationLevel: 'repeatable read', readOnly: true } as const

/** Rows that are found through another table come first: there the person is still to be found. */
function inOrder({ tables }: PersonalData) {
  return [...tables].sort(
    ([, a], [, b]) => Number(typeof a.subject !== 'object') - Number(typeof b.subject !== 'object'),
  )
}

async function exportFrom(db: TenantQueryable, data: PersonalData, id: string): Promise<SubjectData> {
  const found: Record<string, Row[]> = {}
  for (const [name, rules] of data.tables) {
    if (rules.subject === undefined || rules.delete) continue
    const { where, prefix } = ownRowsOf(rules, data.tables)
    const { rows } = await db.query(selectSql(name, rules, where), [prefix + id])
    if (rows.length > 0) found[name] = rows
  }
  return found
}

async function check(db: TenantQueryable, { tables }: PersonalData): Promise<readonly PrivacyFinding[]> {
  const { rows } = await db.query<{ table: string; column: string }>(COLUMNS)
  const there = new Set(rows.map(({ table, column }) => `${table}.${column}`))
  const declared = (table: string, column: string) => {
    const columns = tables.get(table)?.columns
    return columns !== undefined && Object.hasOwn(columns, column)
  }
  const unclassified = rows
    // At level `row` every table has it; it says whose the row is, not of whom.
    .filter(({ table, column }) => column !== 'tenant_id' && !declared(table, column))
    .map(({ table, column }) => ({ code: 'unclassified' as const, table, column }))
  const missing = [...tables].flatMap(([table, { columns }]) =>
    Object.keys(columns)
      .filter((column) => !there.has(`${table}.${column}`) && column !== 'tenant_id')
      .map((column) => ({ code: 'missing' as const, table, column })),
  )
  return [...unclassified, ...missing]
}
