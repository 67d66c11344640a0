import { type Guard, guardsIn } from '../guard.ts'

const citus = guardsIn('packages/pg-tenant/src/', [['packages/pg-tenant/test/placement']])
const SCHEMAS = 'lifecycle/distributed-schemas.ts'

export const citusGuards: readonly Guard[] = [
  citus(
    SCHEMAS,
    "'set local citus.enable_schema_based_sharding to on'",
    "'set citus.enable_schema_based_sharding to on'",
  ),
  citus(SCHEMAS, "  await admin.run('set local citus.enable_schema_based_sharding to off')", ''),
  citus(SCHEMAS, 'if (distributed.length === 1) return', 'if (distributed.length < 2) return'),
  citus(SCHEMAS, 'if (found.always === true)', 'if (found.always === 1)'),
  citus(SCHEMAS, 'if (cluster?.coordinator !== true)', 'if (!cluster)'),
  citus(SCHEMAS, "if (level !== 'schema' && cluster.workers !== false)", 'if (cluster.workers === 1)'),
  citus(SCHEMAS, '>= CITUS_MAJOR', '>= 1'),
  citus(SCHEMAS, '  if (asksOutcome)', '  if (asksOutcome && !level)'),
  citus('lifecycle/prepare.ts', 'if (distributedSchemas) await requireCitus(admin, level)', ''),
  citus(
    'lifecycle/tenant-schema.ts',
    '    await runEach(admin, inside)',
    "    await admin.run(inside.join(';'))",
  ),
  citus(
    'lifecycle/apply-migrations.ts',
    'distributedSchemas ? statementsOf(sql, id)',
    '!id ? statementsOf(sql, id)',
  ),
  citus('lifecycle/ready/steps.ts', '  if (distributedSchemas)', '  if (!ofLevel)'),
]
