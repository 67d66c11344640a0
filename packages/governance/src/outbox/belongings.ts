import type { Belongings, Queryable, TenantKey } from '@org/core'
import { onlyControlSchema } from '../control/control-schema.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'

/**
 * Events that are not delivered, for `createTenancy({ belongings })`: they cannot go along, so that the move of a tenant to
 * another cluster is refused as long as it has some (`CONFLICT`, `details.reason` `stays`), or leaves them where `lose` names
 * `outbox`. Dead letters count: whoever gave them their attempts again behind the move would do so for a tenant that is gone.
 *
 * At level `database` what no worker has brought from the tenant's own database yet counts, too: a worker of another cluster would take it
 * for a copy, and send none of it.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { outboxBelongings } from '@org/governance/outbox'
 *
 * console.log(outboxBelongings().name) // outbox
 * ```
 */
export function outboxBelongings(options: { readonly controlSchema?: string | undefined } = {}): Belongings {
  const schema = onlyControlSchema(options)
  return {
    name: 'outbox',
    tables: [],
    own: { table: 'outbox', advice: ADVICE },
    stays: async (control, tenant) => {
      const count = await undelivered(control, schema, tenant)
      return { count, advice: ADVICE }
    },
  }
}

const ADVICE =
  'Let the workers of its outbox deliver what waits (that of a suspended tenant does until it is resumed), and redrive or discard its ' +
  'dead letters.'

async function undelivered(control: Queryable, schema: string, tenant: TenantKey): Promise<number> {
  const { rows: found } = await control.query<{ there: boolean }>(
    'select pg_catalog.to_regclass($1) is not null as there',
    [qualify(schema, 'outbox_head')],
  )
  // What was never installed holds nothing.
  if (found[0]?.there !== true) return 0
  // The log has policies: who is bound by them is told so, and does not count none.
  await control.query(`select pg_catalog.set_config('row_security', 'off', true)`)
  const { rows } = await control.query<{ n: string }>(countOf(quoteIdentifier(schema)), [tenant])
  return Number(rows[0]?.n)
}

/**
 * Each event once, wherever it is. Of a key, the first is where any other would be and has its place in the order beside that. What
 * has not been dispatched is what `outbox_dispatch` would look at, now or later.
 */
const countOf = (schema: string) => `with head as (
    select turn, seq from ${schema}.outbox_lease order by id desc limit 1
  ), last as (
    select snapshot, at from ${schema}.outbox_tick order by id desc limit 1
  ), log as (
    select xid, available_at, published_at from ${schema}.outbox where tenant = $1
  )
  select (select count(*) from ${schema}.outbox_ready r, head h where r.tenant = $1 and (r.turn, r.seq) > (h.turn, h.seq))
    + (select count(*) from log o, last l where not pg_catalog.pg_visible_in_snapshot(o.xid, l.snapshot)
        or (o.available_at > o.published_at and o.available_at > l.at))
    + (select count(*) from ${schema}.outbox_lease l, unnest(l.slots, l.xids, l.seqs) as t(slot, xid, seq)
        join ${schema}.outbox o on o.slot = t.slot and o.xid = t.xid and o.seq = t.seq
        where not l.over and t.seq <> all (l.settled) and o.tenant = $1)
    + (select count(*) from ${schema}.outbox_loose where tenant = $1)
    + (select count(*) - count(distinct key) from ${schema}.outbox_ordered where tenant = $1)
    + (select count(*) from ${schema}.outbox_waiting where tenant = $1)
    + (select count(*) from ${schema}.outbox_dead where tenant = $1)
    + (select count(*) from ${schema}.outbox_hint where tenant = $1) as n`
