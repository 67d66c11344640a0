import { type Guard, guardsIn } from '../guard.ts'

const views = guardsIn('packages/pg-tenant/src/lifecycle/', [['packages/pg-tenant/test/row']])
const level = guardsIn('packages/pg-tenant/src/', [['packages/pg-tenant/test/levels']])
const look = guardsIn('packages/pg-tenant/src/', [
  ['packages/pg-tenant/test/doctor', 'packages/pg-tenant/test/stats', 'packages/pg-tenant/test/verify'],
])

/** Level `row` in the conformance tests, its views for reporting, and what `doctor` and the others see of it. */
export const rowViewsGuards: readonly Guard[] = [
  level('isolation/row.ts', "\n   and pg_catalog.current_schema() operator(pg_catalog.=) '${schema}'", ''),
  level(
    'lifecycle/levels/row/level.ts',
    'waitForScopes(work.admin, lifecycleOf(work), work.tenant)',
    'Promise.resolve()',
  ),
  level(
    'lifecycle/levels/row/level.ts',
    'await deleteRows(work.admin, row, work.tenant, { ...step, whole: true }, 0)',
    '',
  ),
  views('row/views.ts', ' where ${quoteIdentifier(row.tenantColumn)} = (select ${reader})', ''),
  views('row/views.ts', ' with (security_barrier = true) as', ' as'),
  views('row/policies.ts', 'as ${kind} for select to ${owner}', 'as permissive for select to ${owner}'),
  views('row/reader.ts', 'if (there && !ours) {', 'if (there && Number.isNaN(0)) {'),
  views('row/reader.ts', 'await admin.run(allowed ?', 'await admin.run(allowed || role ?'),
  views('row/level.ts', 'await removeLoginRole(work)', ''),
  views('row/prepare.ts', 'if (views) await dropViews(admin, row, views)', ''),
  views('row/views-read.ts', 'owned &&', ''),
  views('row/views-read.ts', 'grants.join() === `${views.readers}=SELECT` &&', ''),
  views('row/tables.ts', 'policy.roles.join() === views.owner &&', ''),
  views('row/tables.ts', "policy.permissive === (kind === 'permissive') &&", ''),
  look(
    'lifecycle/levels/row/entrance.ts',
    'position(p.prosrc in $3) > 0',
    '(position(p.prosrc in $3) > 0 or true)',
  ),
  look('doctor/read-only.ts', "await look('rollback to savepoint locks')", ''),
  look('doctor/drift.ts', "one.print += rest.get(one.key) ?? ''", "one.print += ''"),
  look(
    'doctor/databases.ts',
    'await inParallel(homes, connections, async',
    'await inParallel(homes, 100, async',
  ),
  look('verify/scene.ts', 'row: lifecycle.ofLevel.row,', 'row: undefined,'),
  look(
    'stats/shared-tables.ts',
    "await admin.run(`select set_config('${TENANT_SETTING}', $1, true)`, [key])",
    '',
  ),
]
