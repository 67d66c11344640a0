import type { Operation } from '../context.ts'
import { RANGE } from '../tenants.ts'
import type { OperationKind } from './kind.ts'

// Whatever a scope can see of whoever had the connection before. Names end in the owner's index.
const PROBE = `select
  current_setting('soak.owner', true) as setting,
  (select array_agg(substr(relname, 10)) from pg_catalog.pg_class
    where relname like 'soak\\_tmp\\_%' and relnamespace = pg_catalog.pg_my_temp_schema()) as temporary,
  (select array_agg(substr(name, 11)) from pg_catalog.pg_cursors where name like 'soak\\_held\\_%') as held,
  (select array_agg(objid::text) from pg_catalog.pg_locks
    where locktype = 'advisory' and pid = pg_catalog.pg_backend_pid() and classid = 4242) as locks,
  current_setting('search_path') as path, current_user::text as role,
  current_setting('synchronous_commit') as durability, current_setting('row_security') as row_security`

/** Looks for leftovers of other tenants on whatever connection the pool hands out (hazard k'). */
export async function probe(o: Operation): Promise<void> {
  const { rows } = await o.subject.query(o.tenant.key, PROBE, [])
  const { setting, temporary, held, locks, path, role, durability, row_security } = rows[0] ?? {}
  const own = String(o.tenant.index)
  o.requireOwn([setting], 'a setting')
  const lists = { 'a temporary table': temporary, 'a held cursor': held, 'an advisory lock': locks }
  for (const [what, names] of Object.entries(lists)) {
    for (const name of (names as string[] | null) ?? []) {
      if (name !== own) o.leak(`${what} of tenant number ${name}`)
    }
  }
  if (!String(path).startsWith(o.tenant.schema) && !String(path).startsWith(`"${o.tenant.schema}"`))
    o.leak(`the search path ${String(path)}`)
  if (o.subject.name === 'ours' && o.world.level === 'role' && role !== o.tenant.schema)
    o.leak(`the role ${String(role)}`)
  if (durability !== 'on') o.leak(`synchronous_commit = ${String(durability)}`)
  if (row_security !== 'on' && setting !== o.tenant.key) o.leak(`row_security = ${String(row_security)}`)
}

/** Only look. */
export const PROBES: readonly OperationKind[] = [
  {
    name: 'probe: session leftovers',
    weight: 6,
    run: (o) => probe(o),
  },
  {
    name: 'probe: lastval',
    weight: 3,
    async run(o) {
      // One sequence for all.
      if (o.world.level === 'row') return
      const { rows } = await o.subject.query(o.tenant.key, 'select lastval() as value', [])
      const owner = Math.floor((Number(rows[0]?.value) - 1) / RANGE) - 1
      if (owner !== o.tenant.index) o.leak(`lastval() of tenant number ${owner}`)
    },
  },
]
