import { schemaOf, searchPathOf } from '../isolation/names.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import { indexName } from '../migrations/lint.ts'
import { needsNoTransaction, type Script } from '../migrations/script.ts'
import type { Statement } from '../migrations/statements.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { attempt, type Trouble } from './attempt.ts'
import { ownerOf } from './fleet.ts'
import {
  BUSY,
  CHECK,
  LEDGER,
  newest,
  OWN_PATH,
  type Part,
  type Place,
  pinOf,
  RECORD,
  VERSION,
} from './message.ts'
import type { Behind } from './plan.ts'
import { RUN_TABLE } from './run-table.ts'
import { once } from './sql.ts'

// Held by the session, across its transactions; the same lock as that of provision, suspend and drop. A wait for a lock
// is not limited here: CREATE INDEX CONCURRENTLY waits without being in anybody's way. $1 schema, $2 statement timeout.
const LOCK = `select pg_catalog.num_nulls(
  pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false),
  pg_catalog.set_config('statement_timeout', $2, false),
  pg_catalog.set_config('lock_timeout', '0', false),
  case when pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended(pg_catalog.concat('pg_tenant:', $1::text), 0)) then 0
    else pg_catalog.concat('${BUSY}')::pg_catalog.int8 end)`
const UNLOCK = 'select pg_catalog.pg_advisory_unlock_all()'

// $1 prefix, $2 key, $3 id, $4 checksum. An edited file begins anew.
const START = (run: string) => `insert into ${run} as r (prefix, key, id, checksum) values ($1, $2, $3, $4)
  on conflict (prefix, key, id) do update set checksum = excluded.checksum,
    started = case when r.checksum = excluded.checksum then r.started else 0 end,
    done = case when r.checksum = excluded.checksum then r.done else 0 end
  returning started, done`
const STARTED = (run: string) => `update ${run} set started = $4 where prefix = $1 and key = $2 and id = $3`
const DONE = (run: string) =>
  `update ${run} set started = $4, done = $4 where prefix = $1 and key = $2 and id = $3`
const CLOCK = (run: string) => `select set_config('pg_tenant.clock',
  (extract(epoch from started_at) * 1000)::int8::text, true) from ${run} where prefix = $1 and key = $2 and id = $3`
const END = (run: string) => `delete from ${run} where prefix = $1 and key = $2 and id = $3`

const ROLE = `select set_config('search_path', $1, false), set_config('role', $2, false)`
const LOCAL_ROLE = `select set_config('search_path', $1, true), set_config('role', $2, true)`
// $1 schema, $2 index.
const VALID = `select i.indisvalid from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2`
const UNDEFINED_OBJECT = '42704'

/**
 * Runs one migration without a transaction: its statements one by one, each noted when it begins and when it is done, so
 * that it goes on where it was cut off. What a killed CREATE INDEX CONCURRENTLY left (an invalid index) is dropped first.
 *
 * On trouble the caller destroys the session: lock, role and settings go with it.
 */
export async function runOutsideTransaction(
  place: Place,
  behind: Behind,
  script: Script,
): Promise<Trouble | undefined> {
  return await new Run(place, behind, script).run()
}

class Run {
  readonly #place: Place
  readonly #behind: Behind
  readonly #script: Script
  readonly #schema: string
  readonly #role: string
  readonly #table: string
  readonly #id: readonly unknown[]

  constructor(place: Place, behind: Behind, script: Script) {
    const { naming, registry } = place.lifecycle
    this.#place = place
    this.#behind = behind
    this.#script = script
    this.#schema = schemaOf(naming, behind.tenant)
    this.#role = ownerOf(place.lifecycle, behind.tenant) ?? 'none'
    this.#table = qualify(registry.controlSchema, RUN_TABLE)
    this.#id = [registry.prefix, behind.tenant, script.id]
  }

  async run(): Promise<Trouble | undefined> {
    const { statementTimeout } = this.#place.settings
    let trouble = await this.#send({ step: once('gate', LOCK, [this.#schema, String(statementTimeout)]) })
    if (trouble) return trouble
    const at = { started: 0, done: 0 }
    trouble = await this.#start(at)
    for (let next = at.done; !trouble && next < this.#script.statements.length; next++) {
      const statement = this.#script.statements[next] as Statement
      const resumed = next < at.started
      trouble = needsNoTransaction(statement)
        ? await this.#alone(statement, next + 1, resumed)
        : await this.#inTransaction(statement, next + 1)
    }
    trouble ??= await this.#finish()
    return (
      trouble ?? (await this.#send({ step: once('clean', UNLOCK) }, { step: once('clean', 'reset all') }))
    )
  }

  async #start(at: { started: number; done: number }): Promise<Trouble | undefined> {
    const { controlSchema, prefix } = this.#place.lifecycle.registry
    const { tenant, status, has } = this.#behind
    const check = CHECK(qualify(controlSchema, 'tenant'), qualify(controlSchema, 'tenant_migration'))
    const sink = {
      row: ([started, done]: (string | null)[]) =>
        void Object.assign(at, { started: Number(started), done: Number(done) }),
    }
    return await this.#send(
      { step: once('begin', 'begin isolation level read committed read write') },
      { step: once('pin', pinOf(this.#place.lifecycle, tenant)) },
      { step: once('statement', check, [prefix, tenant, status, has.length]) },
      { step: once('statement', START(this.#table), [...this.#id, this.#script.checksum], sink) },
      ...this.#usage(true),
      { step: once('commit', 'commit') },
    )
  }

  /** A statement PostgreSQL refuses in a transaction block: alone between two notes. */
  async #alone(statement: Statement, number: number, resumed: boolean): Promise<Trouble | undefined> {
    let trouble = await this.#send({ step: once('statement', STARTED(this.#table), [...this.#id, number]) })
    if (trouble) return trouble
    const left = resumed ? await this.#leftOver(statement) : undefined
    if (left?.trouble) return left.trouble
    if (left?.state !== 'valid') {
      trouble = await this.#asTenant(statement.text, statement.line)
      const gone = trouble?.kind === 'failed' && trouble.error.details.sqlState === UNDEFINED_OBJECT
      if (trouble && !(resumed && gone && statement.head[0] === 'drop')) return trouble
    }
    return await this.#send({ step: once('statement', DONE(this.#table), [...this.#id, number]) })
  }

  /** What a try before this one left of an index; an invalid one is dropped. */
  async #leftOver(statement: Statement): Promise<{ state: 'none' | 'valid'; trouble?: Trouble }> {
    const name = statement.head[0] === 'create' ? indexName(statement) : undefined
    if (name === undefined) return { state: 'none' }
    const found: (string | null)[] = []
    const sink = { row: (fields: (string | null)[]) => void found.push(...fields) }
    let trouble = await this.#send({ step: once('statement', VALID, [this.#schema, name], sink) })
    if (found[0] === 'f')
      trouble ??= await this.#asTenant(
        `drop index concurrently ${qualify(this.#schema, name)}`,
        statement.line,
      )
    return { state: found[0] === 't' ? 'valid' : 'none', ...(trouble && { trouble }) }
  }

  async #asTenant(text: string, line: number): Promise<Trouble | undefined> {
    const path = searchPathOf(this.#place.lifecycle.naming, this.#behind.tenant)
    const trouble =
      (await this.#send({ step: once('statement', ROLE, [path, this.#role]) })) ??
      (await this.#send({ step: once('statement', text), script: this.#script, line }))
    // A group of its own: after an error the server has skipped what was behind the statement.
    const back = await this.#send({ step: once('statement', ROLE, ['pg_catalog, pg_temp', 'none']) })
    return trouble ?? back
  }

  async #inTransaction({ text, line }: Statement, number: number): Promise<Trouble | undefined> {
    const path = searchPathOf(this.#place.lifecycle.naming, this.#behind.tenant)
    return await this.#send(
      { step: once('begin', 'begin isolation level read committed read write') },
      { step: once('statement', LOCAL_ROLE, [path, this.#role]) },
      { step: once('statement', text), script: this.#script, line },
      { step: once('constraints', 'set constraints all immediate') },
      { step: once('statement', 'set local role none') },
      { step: once('clean', OWN_PATH) },
      { step: once('statement', DONE(this.#table), [...this.#id, number]) },
      { step: once('commit', 'commit') },
    )
  }

  /** Both ledgers, and the note is taken away. */
  async #finish(): Promise<Trouble | undefined> {
    const { lifecycle, scripts } = this.#place
    const { controlSchema, prefix } = lifecycle.registry
    const { tenant, has } = this.#behind
    const { id, checksum, ordinal } = this.#script
    const record = RECORD(qualify(controlSchema, 'tenant_migration'))
    const version = newest(scripts, [...has, ordinal])
    return await this.#send(
      { step: once('begin', 'begin isolation level read committed read write') },
      { step: once('statement', CLOCK(this.#table), this.#id) },
      { step: once('statement', LEDGER(qualify(this.#schema, LEDGER_TABLE)), [id, checksum, has.length]) },
      { step: once('statement', record, [prefix, tenant, id, checksum]) },
      { step: once('statement', VERSION(qualify(controlSchema, 'tenant')), [prefix, tenant, version]) },
      { step: once('statement', END(this.#table), this.#id) },
      ...this.#usage(false),
      { step: once('commit', 'commit') },
    )
  }

  /**
   * A suspended tenant's role needs USAGE while it runs. So that no scope opens meanwhile, the marker that every scope
   * locks is closed to it.
   */
  #usage(during: boolean): Part[] {
    if (this.#behind.status !== 'suspended' || this.#role === 'none') return []
    const [home, role] = [quoteIdentifier(this.#schema), quoteIdentifier(this.#role)]
    const marker = qualify(this.#schema, this.#place.lifecycle.naming.marker)
    const texts = during
      ? [`revoke select on ${marker} from ${role}`, `grant usage on schema ${home} to ${role}`]
      : [`revoke usage on schema ${home} from ${role}`, `grant select on ${marker} to ${role}`]
    return texts.map((text) => ({ step: once('statement', text) }))
  }

  #send(...parts: Part[]): Promise<Trouble | undefined> {
    return attempt(this.#place.session, this.#behind.tenant, parts, this.#place.settings)
  }
}
