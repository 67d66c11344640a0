import type { TenantKey } from '@org/core'
import { schemaOf } from '../isolation/names.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import { checksumsOf } from '../migrations/migrations.ts'
import { qualify } from '../sql/identifier.ts'
import { attempt, type Trouble, undo } from './attempt.ts'
import { lock, open } from './message.ts'
import { type Behind, requireKnown } from './plan.ts'
import type { Material, Part } from './room-parts.ts'
import { once } from './sql.ts'

// The ledger in the schema travels with it (backup, restore), so it is the one that is right; it may be in another database.
// $1 prefix, $2 key, $3 to $5 the ledger: ids, checksums, when they were applied.
const REMOVE = (history: string) => `delete from ${history} h where h.prefix = $1 and h.key = $2
  and not exists (select from unnest($3::text[], $4::text[]) l (id, checksum) where l.id = h.id and l.checksum = h.checksum)`
const ADD = (history: string) => `insert into ${history} (prefix, key, id, checksum, applied_at, duration_ms)
  select $1, $2, id, checksum, applied_at, 0
  from unnest($3::text[], $4::text[], $5::timestamptz[]) l (id, checksum, applied_at) on conflict (prefix, key, id) do nothing`
const LEDGER = (ledger: string) => `select id, checksum, applied_at::text from ${ledger}`

// $3 ids and $4 their checksums, in order, several apart by a space.
const LOOK = (tenants: string, history: string) => `select t.status,
  (select string_agg(w.ordinal::text, ',') from unnest($3::text[], $4::text[]) with ordinality as w (id, checksums, ordinal)
   join ${history} h on h.prefix = $1 and h.key = $2 and h.id = w.id and h.checksum = any (string_to_array(w.checksums, ' '))),
  (select min(h.id) from ${history} h where h.prefix = $1 and h.key = $2 and h.id <> all ($3::text[])),
  (select min(h.id) from ${history} h join unnest($3::text[], $4::text[]) as w (id, checksums) on w.id = h.id
   where h.prefix = $1 and h.key = $2 and h.checksum <> all (string_to_array(w.checksums, ' ')))
  from ${tenants} t where t.prefix = $1 and t.key = $2`

/** What looking again found; `undefined`: the tenant is gone, or being made or dropped. */
export type Found = { readonly behind: Behind | undefined } | { readonly trouble: Trouble }

/**
 * Looks at one tenant again, with its lock held, and makes the registry's ledger say what that of the schema says.
 *
 * @throws TenancyError CONFLICT when it has a migration that was edited or is unknown
 */
export async function lookAgain(material: Material, tenant: TenantKey): Promise<Found> {
  const { books, home, lifecycle, scripts, settings } = material
  const { controlSchema, prefix } = lifecycle.registry
  const [tenants, history] = [qualify(controlSchema, 'tenant'), qualify(controlSchema, 'tenant_migration')]
  const ledger: (string | null)[][] = []
  const read: Part = {
    step: once('statement', LEDGER(qualify(schemaOf(lifecycle.naming, tenant), LEDGER_TABLE)), [], {
      row: (fields: (string | null)[]) => void ledger.push(fields),
    }),
  }
  const opening = [...open(books, material), lock(material, tenant)]
  const same = books === home
  let trouble = await attempt(books, tenant, same ? [...opening, read] : opening, settings, 'T')
  if (!trouble && !same) {
    trouble = await attempt(home, tenant, [read], settings)
    if (trouble) await undo(books)
  }
  if (trouble) return { trouble }
  const found: (string | null)[] = []
  const sink = { row: (fields: (string | null)[]) => void found.push(...fields) }
  const wanted = [scripts.map(({ id }) => id), scripts.map(checksumsOf)]
  const [ids, checksums, times] = [0, 1, 2].map((at) => ledger.map((row) => row[at]))
  trouble = await attempt(
    books,
    tenant,
    [
      { step: once('statement', REMOVE(history), [prefix, tenant, ids, checksums]) },
      { step: once('statement', ADD(history), [prefix, tenant, ids, checksums, times]) },
      { step: once('statement', LOOK(tenants, history), [prefix, tenant, ...wanted], sink) },
      { step: once('commit', 'commit') },
    ],
    settings,
  )
  if (trouble) return { trouble }
  const [status, has, unknown = null, edited = null] = found
  requireKnown(tenant, { unknown, edited })
  if (status !== 'active' && status !== 'suspended') return { behind: undefined }
  return { behind: { tenant, status, has: has ? has.split(',').map(Number) : [] } }
}
