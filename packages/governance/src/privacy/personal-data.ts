import { invalidOption } from '../input/input.ts'
import { type EventRule, type ParsedEventRules, type PersonalEvents, parseEvents } from './event-rules.ts'

/**
 * What becomes of a column when somebody is erased. `keep`: it says nothing of a person (ids, times, amounts). `null`: it
 * becomes null. `text`: the word `erased`. `email`: an address that nobody has, another in every row, so that unique columns
 * stay unique. Or a value of its own.
 */
export type ColumnRule = 'keep' | EventRule

/** One table of every tenant. */
export interface TableRules {
  /**
   * The column that says whose row it is; or how to get to it: `{ column: 'order_id', table: 'orders', key: 'id' }` for rows
   * that belong to rows of another declared table. Left out for tables without personal data.
   */
  readonly subject?:
    | string
    | { readonly column: string; readonly table: string; readonly key: string }
    | undefined
  /** What stands in front of the person's id in that column, e.g. `user:` (default nothing). */
  readonly prefix?: string | undefined
  /** Every column: one that is not named is unclassified, and found by `check`. */
  readonly columns: Readonly<Record<string, ColumnRule>>
  /** Remove the rows instead (default `false`). */
  readonly delete?: boolean | undefined
}

/** Personal data by table and column. Made by {@link personalData}. */
export interface PersonalData {
  readonly tables: ReadonlyMap<string, TableRules>
  /** By event type; none by default. */
  readonly events?: ReadonlyMap<string, ParsedEventRules | 'keep'>
}

/** What else is declared with the tables. */
export interface PersonalDataOptions {
  /**
   * What is personal in events, by type: in the outbox, among dead letters and in messages to webhooks. Declared where the
   * event's schema is; types that are not declared are found by `doctor` (default: events are not looked at).
   */
  readonly events?: PersonalEvents | undefined
}

const kept = (columns: string): TableRules['columns'] =>
  Object.fromEntries(columns.split(' ').map((name) => [name, 'keep' as const]))

/** Answers that are kept for repetitions (`@org/governance/idempotency`): they go. Spread it into {@link personalData}. */
export const IDEMPOTENCY_RULES: Readonly<Record<string, TableRules>> = {
  idempotency_key: {
    subject: 'principal',
    prefix: 'user:',
    delete: true,
    columns: kept(
      'principal handler key fingerprint answer lease leased_until attempts created_at expires_at tenant_id',
    ),
  },
}

/**
 * Tables of `@org/governance/webhooks`, which belong to the tenant and to nobody in it; what is personal in a message's payload is said with
 * the `events`. Spread it into {@link personalData}.
 */
export const WEBHOOK_RULES: Readonly<Record<string, TableRules>> = {
  webhook_endpoint: {
    columns: kept(
      'id url description events status suspended_reason secret previous_secret previous_until failing_since created_at updated_at tenant_id',
    ),
  },
  webhook_message: { columns: kept('id type payload created_at tenant_id') },
  webhook_delivery: {
    columns: kept(
      'id endpoint_id message_id status attempts response_status error duration_ms last_attempt_at created_at tenant_id',
    ),
  },
}

/**
 * Declares what is personal, once, for check, export and erasure.
 *
 * @throws TenancyError INVALID_OPTION with table and column
 * @example
 * ```ts
 * import { personalData } from '@org/governance/privacy'
 *
 * const tables = {
 *   users: { subject: 'id', columns: { id: 'keep', email: 'email', name: 'text' } },
 *   notes: { columns: { id: 'keep', body: 'keep' } },
 * } as const
 * const events = {
 *   'user.created': { subject: '/id', paths: { '/email': 'email' } },
 *   'note.created': 'keep', // ids alone
 * } as const
 * const data = personalData(tables, { events })
 * ```
 */
export function personalData(
  declared: Readonly<Record<string, TableRules>>,
  { events = {} }: PersonalDataOptions = {},
): PersonalData {
  if (typeof declared !== 'object' || declared === null) throw invalidOption('personalData', 'rules by table')
  const tables = new Map(Object.entries(declared))
  for (const [table, rules] of tables) checkTable(table, rules, tables)
  return { tables, events: parseEvents(events) }
}

function checkTable(table: string, rules: TableRules, all: ReadonlyMap<string, TableRules>): void {
  requireName(table, table)
  const { subject, columns, prefix = '' } = rules ?? {}
  if (typeof columns !== 'object' || columns === null)
    throw invalidOption(`${table}.columns`, 'rules by column')
  if (typeof prefix !== 'string') throw invalidOption(`${table}.prefix`, 'a text')
  for (const [column, rule] of Object.entries(columns)) {
    requireName(column, `${table}.${column}`)
    if (!isRule(rule)) throw invalidOption(`${table}.${column}`, 'keep, null, text, email or { value }')
    if (subject === undefined && rule !== 'keep') {
      throw invalidOption(`${table}.subject`, 'given: it has columns that are personal')
    }
  }
  if (subject === undefined) return
  const column = typeof subject === 'string' ? subject : subject?.column
  if (columns[String(column)] !== 'keep') throw invalidOption(`${table}.subject`, 'a column that is kept')
  if (typeof subject === 'string') return
  const other = all.get(subject.table)
  if (typeof other?.subject !== 'string') {
    throw invalidOption(`${table}.subject.table`, 'a declared table with a subject column of its own')
  }
  requireName(subject.key, `${table}.subject.key`)
}

function isRule(rule: unknown): rule is ColumnRule {
  if (['keep', 'null', 'text', 'email'].includes(rule as string)) return true
  const { value } = (rule ?? {}) as { value?: unknown }
  return ['string', 'number', 'boolean'].includes(typeof value)
}

function requireName(name: unknown, option: string): void {
  if (typeof name === 'string' && name !== '' && !name.includes('\0') && Buffer.byteLength(name) <= 63) return
  throw invalidOption(option.slice(0, 100), 'a name')
}
