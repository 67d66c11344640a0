import { TenancyError } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import type { IsolationLevel } from '../isolation/isolation.ts'
import { traitsOf } from '../isolation/traits.ts'
import { quoteIdentifier } from '../sql/identifier.ts'

/** What spreads the schemas of tenants over the nodes of a cluster. */
export type DistributedSchemas = 'citus'

/** The first release with schema-based sharding. */
const CITUS_MAJOR = 12

// Another query may name what the extension brings only once it is known to be there.
const EXTENSION = `select extversion as version,
    coalesce(current_setting('citus.enable_schema_based_sharding', true), '') = 'on' as always
  from pg_catalog.pg_extension where extname = 'citus'`
// Group 0 is the coordinator (Citus, metadata tables reference).
const CLUSTER = `select
  exists (select from pg_catalog.pg_dist_local_group where groupid = 0) as coordinator,
  exists (select from pg_catalog.pg_dist_node where groupid <> 0) as workers`

/**
 * That schemas made here will be distributed, and nothing else will: asked before anything is made.
 *
 * @throws TenancyError INVALID_OPTION
 */
export async function requireCitus(admin: Admin, level: IsolationLevel): Promise<void> {
  const [found] = await admin.run(EXTENSION)
  if (!found)
    throw refused(
      'the database that adminPool leads to has no Citus extension. Put citus into shared_preload_libraries and run ' +
        '"create extension citus" there, or leave the option out.',
    )
  if (!(Number.parseInt(String(found.version), 10) >= CITUS_MAJOR))
    throw refused(`this Citus cannot distribute schemas. Upgrade it to ${CITUS_MAJOR} or later.`)
  if (found.always === true)
    throw refused(
      'citus.enable_schema_based_sharding is on for every session of the administrator, so that the registry would be ' +
        'distributed too. Switch it off in the configuration, the database and the role: it is set where it is needed.',
    )
  const [cluster] = await admin.run(CLUSTER)
  if (cluster?.coordinator !== true)
    throw refused(
      'adminPool leads to a worker. Connect it to the coordinator, directly and not through a pooler.',
    )
  // citusdata/citus#3867 and #7719: a transaction that changes its user sees wrong results on other nodes.
  if (traitsOf(level).ownRole && cluster.workers !== false)
    throw refused(
      `level ${level} runs migrations as the tenant in the administrator's transaction, and Citus does not support a ` +
        'change of user in a transaction over several nodes. Use level schema, or a cluster of one node.',
    )
}

// $1 schema
const DISTRIBUTED = `select from pg_catalog.pg_dist_schema d join pg_catalog.pg_namespace n on n.oid = d.schemaid
  where n.nspname = $1`

/**
 * Makes one schema that is distributed, the only one that this transaction makes so: on for one statement, and never for
 * longer than the transaction.
 *
 * @throws TenancyError INVALID_OPTION when Citus made it but left it on the coordinator
 */
export async function createDistributedSchema(admin: Admin, schema: string): Promise<void> {
  await admin.run('set local citus.enable_schema_based_sharding to on')
  await admin.run(`create schema ${quoteIdentifier(schema)}`)
  await admin.run('set local citus.enable_schema_based_sharding to off')
  const distributed = await admin.run(DISTRIBUTED, [schema])
  if (distributed.length === 1) return
  throw refused(
    'Citus made the schema without distributing it, so nothing was kept. citus.enable_ddl_propagation must be on and ' +
      'citus.create_object_propagation "immediate" for the administrator.',
  )
}

/** Runs DDL here without sending it to other nodes. */
export async function onThisNode(admin: Admin, ddl: () => Promise<void>): Promise<void> {
  await admin.run('set local citus.enable_ddl_propagation to off')
  await ddl()
  await admin.run('set local citus.enable_ddl_propagation to on')
}

/** Of schemas `n`: whether they are distributed. */
export const IS_DISTRIBUTED = 'exists (select from pg_catalog.pg_dist_schema d where d.schemaid = n.oid)'

function refused(why: string): TenancyError {
  return new TenancyError('INVALID_OPTION', `Option "distributedSchemas" is "citus", but ${why}`, {
    details: { option: 'distributedSchemas' },
  })
}
