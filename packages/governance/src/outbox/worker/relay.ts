import { codedControl, type Queryable, type TenantQueryable } from '@org/core'
import { quoteIdentifier } from '../../sql/identifier.ts'
import type { TenantScopes } from '../../tenants/scopes.ts'
import { MAX_DELAY, rowOf } from '../publish.ts'
import { MAX_WRITTEN } from '../tables-sql.ts'
import { isKey, type Standing } from './status.ts'

/** Of one tenant in one transaction: bounded, since a tenant may put there what it likes. */
const AT_ONCE = 100
/** Tenants visited side by side. */
const ABREAST = 8
/** How long a round waits for one of them (ms): whose database hangs, or who holds locks there, holds up no other. */
const PATIENCE = 1_000

// One relay after the other, or the order of a key would be lost. Run as the tenant, in a session that has only its rights: the table is its own, and may be anything by now. What comes
// back is text of bounded length, and validated as if somebody had published it.
const READ = `select seq::pg_catalog.text as seq,
    pg_catalog."left"(id::pg_catalog.text, 36) as id, pg_catalog."left"(type::pg_catalog.text, 101) as type,
    pg_catalog."left"(payload::pg_catalog.text, ${MAX_WRITTEN + 1}) as payload, pg_catalog."left"(key::pg_catalog.text, 201) as key,
    pg_catalog."left"(trace::pg_catalog.text, 56) as trace,
    pg_catalog.date_part('epoch', available_at operator(pg_catalog.-) pg_catalog.now()) as delay,
    (home operator(pg_catalog.=) 'outbox'::pg_catalog.regclass::pg_catalog.oid) as home
  from outbox order by outbox.seq limit ${AT_ONCE} for update`
const REMOVE = 'delete from outbox where seq = any ($1::pg_catalog.int8[])'

interface Waiting {
  readonly seq: string
  readonly id: string
  readonly type: string
  readonly payload: string
  readonly key: string | null
  readonly trace: string | null
  readonly delay: number
  readonly home: boolean
}

/** Level `database`: brings events from tenants' own databases into the outbox of the control schema. */
export interface Relay {
  /** Looks at a tenant in the next round. */
  touch(tenant: string): void
  /**
   * Those who were touched, those who were said to have published, and those in whose databases something was written since it last looked.
   *
   * @param patience milliseconds for each; what takes longer goes on, and no other round waits for it
   */
  round(patience?: number): Promise<void>
  /** One tenant's, all of it. */
  bring(tenant: string): Promise<number>
  /** Resolves when no round is under way and nobody is being visited any more, or patience is over. */
  ended(): Promise<void>
}

/**
 * @param prefix before the key in names of tenants' databases: the tenancy's `rolePrefix`
 * @param standing who is not in service is left alone: what is there waits there
 * @param report told which tenant's database could not be read; it is tried again in the next round
 */
export function relayOf<Db extends TenantQueryable>(
  pool: Queryable,
  controlSchema: string,
  tenants: TenantScopes<Db>,
  prefix: string,
  standing: (tenant: string) => Standing | Promise<Standing>,
  report: (tenant: string, error: unknown) => void,
): Relay {
  const control = codedControl(pool, "installOutbox(admin, { isolation: 'database', workers: [role] })")
  const schema = quoteIdentifier(controlSchema)
  const written = new Map<string, string>()
  const busy = new Map<string, Promise<void>>()
  const rounds = new Set<Promise<void>>()
  const touched = new Set<string>()

  const page = (tenant: string) =>
    tenants.withTenant(tenant, async (db) => {
      const { rows } = await db.query<Waiting>(READ)
      if (rows.length === 0) return 0
      const brought = rows.flatMap((row) => validated(row))
      // Committed there before it is removed here: cut off in between, it is brought again, and known by its id.
      if (brought.length > 0) {
        await control.query(`select ${schema}.outbox_accept($1, $2)`, [tenant, `[${brought.join()}]`])
      }
      await db.query(REMOVE, [rows.map(({ seq }) => seq)])
      return rows.length
    })
  const bring = async (tenant: string): Promise<number> => {
    let all = 0
    for (;;) {
      const n = await page(tenant)
      all += n
      if (n < AT_ONCE) return all
    }
  }
  /** Tenants whose databases have had rows inserted since: one query for all of them. */
  const changed = async (): Promise<Map<string, string>> => {
    const { rows } = await control.query<{ name: string; inserted: string }>(
      `select datname::text as name, concat_ws('/', tup_inserted, stats_reset) as inserted
       from pg_catalog.pg_stat_database where pg_catalog.starts_with(datname::text, $1)`,
      [prefix],
    )
    return new Map(
      rows
        .map(({ name, inserted }) => [name.slice(prefix.length), inserted] as const)
        .filter(([tenant, inserted]) => written.get(tenant) !== inserted),
    )
  }
  /** @param inserted what is counted there, as of the beginning */
  const visited = async (whose: string, inserted: string | undefined): Promise<void> => {
    try {
      if ((await standing(whose)) !== 'active') return
      await bring(whose)
      written.set(whose, inserted ?? written.get(whose) ?? '')
    } catch (error) {
      report(whose, error)
    } finally {
      busy.delete(whose)
    }
  }
  const visit = (whose: string, inserted: string | undefined): Promise<void> => {
    const visiting = visited(whose, inserted)
    busy.set(whose, visiting)
    return visiting
  }
  const look = async (patience: number): Promise<void> => {
    const hints = await control.query<{ tenant: string }>(
      `select h.tenant from ${schema}.outbox_hints() as h(tenant)`,
    )
    const seen = await changed()
    const names = [...new Set([...touched, ...hints.rows.map(({ tenant }) => tenant), ...seen.keys()])]
    touched.clear()
    const todo = names.filter((tenant) => isKey(tenant) && !busy.has(tenant))
    // Who is being visited just now may have been passed already.
    for (const tenant of names) if (busy.has(tenant)) touched.add(tenant)
    const lane = async () => {
      for (let tenant = todo.shift(); tenant !== undefined; tenant = todo.shift())
        await within(patience, visit(tenant, seen.get(tenant)))
    }
    await Promise.all(Array.from({ length: ABREAST }, lane))
  }
  return {
    bring,
    touch: (tenant) => void touched.add(tenant),
    ended: () =>
      within(
        PATIENCE,
        Promise.allSettled(rounds).then(() => Promise.all(busy.values())),
      ),
    round: (patience = PATIENCE) => {
      const going = look(patience).finally(() => rounds.delete(going))
      rounds.add(going)
      return going
    },
  }
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  if (ms === Number.POSITIVE_INFINITY) return void (await work)
  let timer: NodeJS.Timeout | undefined
  const over = new Promise((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, over]).finally(() => clearTimeout(timer))
}

/** As JSON, or nothing: what `publish` would have refused, and what a restore brought back, is not sent. */
function validated({ id, type, payload, key, trace, delay, home }: Waiting): string[] {
  if (home !== true) return []
  try {
    const event = {
      type,
      payload: JSON.parse(payload) as unknown,
      delay: Math.min(Math.max(0, Math.round(delay * 1_000)), MAX_DELAY),
      ...(key !== null && { key }),
      ...(trace !== null && { traceparent: trace }),
    }
    return UUID.test(id) ? [rowOf(event, () => true, id).json] : []
  } catch {
    return []
  }
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
