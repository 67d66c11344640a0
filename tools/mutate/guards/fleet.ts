import { type Guard, guardsIn } from '../guard.ts'

const fleet = guardsIn('packages/pg-tenant/src/', [
  ['packages/pg-tenant/test/fleet', 'packages/pg-tenant/test/doctor'],
])

export const fleetGuards: readonly Guard[] = [
  fleet(
    'fleet/message.ts',
    'when current_user = coalesce($1::text, session_user)\n   and',
    'when (current_user = coalesce($1::text, session_user) or true)\n   and',
  ),
  fleet(
    'fleet/message.ts',
    "case when pg_try_advisory_xact_lock(hashtextextended(concat('pg_tenant:', $3::text), 0)) then 0",
    "case when pg_try_advisory_xact_lock(hashtextextended(concat('pg_tenant:', $3::text), 0)) or true then 0",
  ),
  fleet(
    'fleet/message.ts',
    'when (select count(*) from ${ledger}) = $3 then $2',
    'when (select count(*) from ${ledger}) = $3 or true then $2',
  ),
  fleet('fleet/plan.ts', 'where case when t.key is null then false', 'where case when false then false'),
  fleet('fleet/plan.ts', 'from fleet t full join history h', 'from fleet t left join history h'),
  fleet(
    'fleet/status.ts',
    'HELD_BY_ALL(qualify(controlSchema, SHARED_LEDGER))',
    "HELD(qualify(controlSchema, 'tenant_migration'))",
  ),
  fleet(
    'fleet/migrate.ts',
    'if (missing.some(({ transaction }) => !transaction)) await prepare(lifecycle)',
    '',
  ),
  fleet('fleet/plan.ts', 'for (const row of rows) requireKnown(row.key, row, rows)', ''),
  fleet('fleet/outside-transaction.ts', "if (found[0] === 'f')", 'if (false)'),
  fleet('fleet/outside-transaction.ts', '`revoke select on ${marker} from ${role}`,', ''),
  fleet('fleet/migrate.ts', '  requireClean(missing, settings.allowSchemas)\n', ''),
  fleet('fleet/migrate.ts', 'for (const one of behind) requireExpanded(scripts, chosen, one)', ''),
  fleet('fleet/tenant.ts', 'requireExpanded(place.scripts, asked, journey.behind)', ''),
  fleet('fleet/message.ts', 'least(2147483647, greatest(0,', 'coalesce(coalesce('),
  fleet('migrations/text-of.ts', 'fatal: true', 'fatal: false'),
  fleet('migrations/drizzle-folder.ts', "if (error.code !== 'ENOENT') throw error", ''),
]
