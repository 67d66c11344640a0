import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { tenantsWithNames } from '../registry/record.ts'
import { qualify } from '../sql/identifier.ts'
import type { Collected } from './collected.ts'
import type { Finding } from './finding.ts'
import { type Look, releasingLocks } from './read-only.ts'

/** Ledgers read by one statement: each is a table with an index, and both are locked until they are released. */
const LEDGERS_AT_ONCE = 500

/** What a ledger holds, as a fingerprint. */
const FINGERPRINT = (ledger: string) => `
  (select md5(coalesce(string_agg(line, E'\\n' order by line collate "C"), ''))
   from (select concat(id, ' ', checksum) as line from ${ledger}) lines)`

// $1 schema prefix, $2 level, $3 marker of a ledger. What the registry says of each tenant.
const CENTRAL = (tenant: string, migration: string) => `
  select t.key, n.nspname as schema, ${FINGERPRINT(`(select id, checksum from ${migration} m where m.prefix = t.prefix and m.key = t.key) m`)} as ledger
  from ${tenantsWithNames(tenant)} left join pg_namespace n on n.nspname = coalesce(t.schema_name, $1 || t.key)
    and exists (select from pg_class c where c.relnamespace = n.oid and c.relname = $3)
  where t.prefix = $1 and t.isolation = $2 and t.status in ('active', 'suspended')`

/** A tenant's ledger as the registry has it. */
interface Central {
  readonly key: string
  /** The schema that holds its own, where that is in this database. */
  readonly schema: string | null
  readonly ledger: string
}

export function centralLedgers(look: Look, { naming, registry, level }: Lifecycle): Promise<Central[]> {
  const [tenant = '', migration = ''] = ['tenant', 'tenant_migration'].map((name) =>
    qualify(registry.controlSchema, name),
  )
  return look<Central>(CENTRAL(tenant, migration), [naming.schemaPrefix, level, LEDGER_TABLE])
}

/**
 * Compares the ledger in each schema with that of the registry.
 *
 * @param away schemas that cannot be read now
 */
export async function checkLedgers(
  look: Look,
  fleet: Lifecycle,
  collected: Collected,
  away?: ReadonlySet<string>,
): Promise<void> {
  const rows = (await centralLedgers(look, fleet)).filter(
    ({ schema }) => schema !== null && !away?.has(schema),
  )
  for (let from = 0; from < rows.length; from += LEDGERS_AT_ONCE) {
    const some = rows.slice(from, from + LEDGERS_AT_ONCE)
    const own = await releasingLocks(look, () => ownLedgers(look, some))
    for (const { key, ledger } of some) if (own.get(key) !== ledger) collected.add(mismatch(key))
  }
}

/** What the ledgers of some schemas say, in one query. */
async function ownLedgers(look: Look, some: readonly Central[]): Promise<Map<string, string>> {
  const parts = some.map(
    ({ schema }, at) =>
      `select $${at + 1}::text as key, ${FINGERPRINT(qualify(schema ?? '', LEDGER_TABLE))} as ledger`,
  )
  const keys = some.map(({ key }) => key)
  const rows = await look<{ key: string; ledger: string }>(parts.join('\nunion all '), keys)
  return new Map(rows.map(({ key, ledger }) => [key, ledger]))
}

/** The fingerprint of the ledger in one schema. */
export async function ownLedger(look: Look, schema: string): Promise<string | undefined> {
  return (await ownLedgers(look, [{ key: '', schema, ledger: '' }])).get('')
}

export function mismatch(key: string): Finding {
  return {
    code: 'LEDGER_MISMATCH',
    severity: 'error',
    subject: key,
    message: `${key} has other migrations in its schema than in the registry (a restore, or a change by hand).`,
    fix: 'Run migrate with only: [key] and recheck: true; the schema is believed.',
  }
}
