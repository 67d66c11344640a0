import { type Guard, guardsIn } from '../guard.ts'

const verify = guardsIn('packages/pg-tenant/src/', [
  ['packages/pg-tenant/test/verify', 'packages/pg-tenant/test/apps', 'packages/pg-tenant/test/placement'],
])

export const verifyGuards: readonly Guard[] = [
  verify('verify/probe.ts', 'if (refusals.includes(code)) return', 'if (true) return'),
  verify('verify/probe.ts', "throw new Undo('it was let through')", 'return'),
  verify('verify/probe.ts', "throw new Undo('everything is rolled back')", 'return undefined as never'),
  verify('verify/report.ts', 'ok: summary.failed === 0 &&', 'ok: true ||'),
  verify('verify/leftovers.ts', 'if (met.length > 0)', 'if (met.length > 9)'),
  verify(
    'verify/application-sql.ts',
    'where a.grantee <> t.nspowner and a.grantee is distinct from t.role',
    'where false',
  ),
  verify(
    'apps/provision-database.ts',
    'await session.run(`revoke all on database ${database} from public`)',
    '',
  ),
  verify('apps/provision-database.ts', 'await takeDownApp(session, name).catch(() => undefined)', ''),
  verify('apps/provision-database.ts', 'await lockApp(session, name)', ''),
  verify('apps/provision-database.ts', 'await refuseTaken(session, name)', ''),
  verify('apps/provision-database.ts', 'await scramVerifier(password)', 'password'),
  verify('apps/drop-database.ts', 'if (confirm !== app)', 'if (false)'),
  verify('apps/drop-database.ts', "if (role === 'foreign' || database === 'foreign')", 'if (false)'),
  verify('apps/drop-database.ts', "await setAppState(session, name, 'dropping')", ''),
  verify('placement/fleet.ts', 'if (held !== undefined && held !== place)', 'if (false)'),
  verify('placement/fleet.ts', 'if (!moved ||', 'if (true ||'),
  verify('placement/places.ts', 'if (alive.length > 1)', 'if (false)'),
  verify('placement/places.ts', 'if (this.#known.size > this.#limit &&', 'if (false &&'),
]
