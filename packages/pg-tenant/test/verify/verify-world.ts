import type pg from 'pg'
import { afterAll } from 'vitest'
import { keeperOf } from '../../src/credentials/credentials.ts'
import type { CredentialKeeper } from '../../src/credentials/keeper.ts'
import { watchPool } from '../../src/driver/memory.ts'
import type { IsolationLevel } from '../../src/index.ts'
import { parseControlSchema, parseNaming } from '../../src/isolation/names.ts'
import { databaseLevel } from '../../src/lifecycle/levels/database.ts'
import type { LevelLifecycle } from '../../src/lifecycle/levels/level.ts'
import { loginLevel } from '../../src/lifecycle/levels/login.ts'
import { roleLevel } from '../../src/lifecycle/levels/role.ts'
import { schemaLevel } from '../../src/lifecycle/levels/schema.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { parseMigrations } from '../../src/migrations/migrations.ts'
import { DEFAULTS } from '../../src/scope/options.ts'
import { runScope } from '../../src/scope/run-scope.ts'
import { openLevel } from '../../src/tenancy/levels.ts'
import type { EnterScope } from '../../src/verify/probe.ts'
import type { VerifyCheck, VerifyReport } from '../../src/verify/report.ts'
import { type VerifyOptions, verifyIsolation } from '../../src/verify/verify.ts'
import { type Setting, useSetting } from '../levels/setting.ts'
import { NOTES } from '../support/world.ts'

export interface Verifiable {
  readonly lifecycle: Lifecycle
  readonly enter: EnterScope
  verify(options?: VerifyOptions): Promise<VerifyReport>
}

export interface VerifySetting extends Setting {
  /** What createTenancy puts together for `verify`. */
  verifiable(level: IsolationLevel, options?: { pool?: pg.Pool; sharedSchemas?: string[] }): Verifiable
}

function lifecycleOfLevel(level: IsolationLevel, keeper: CredentialKeeper): LevelLifecycle {
  if (level === 'schema') return schemaLevel
  if (level === 'role') return roleLevel
  return level === 'login' ? loginLevel(keeper) : databaseLevel(keeper, 'template0')
}

export function useVerifySetting(): VerifySetting {
  const setting = useSetting()
  const closers: (() => Promise<void>)[] = []
  const plain = new Map<IsolationLevel, Verifiable>()
  afterAll(async () => {
    await Promise.all(closers.map((close) => close()))
  })
  return Object.assign(Object.create(setting) as Setting, {
    verifiable(level: IsolationLevel, options?: { pool?: pg.Pool; sharedSchemas?: string[] }): Verifiable {
      // Its connections cost more than what most tests ask of them.
      const made = (options ? undefined : plain.get(level)) ?? make(level, options)
      if (!options) plain.set(level, made)
      return made
    },
  })

  function make(
    level: IsolationLevel,
    options: { pool?: pg.Pool; sharedSchemas?: string[] } = {},
  ): Verifiable {
    const { world } = setting
    const pool = options.pool ?? world.pool({ connectionString: setting.directUrl, max: 4 })
    watchPool(pool)
    const naming = parseNaming({
      schemaPrefix: `${level}_`,
      rolePrefix: `${world.rolePrefix}${level}_`,
      ...(options.sharedSchemas && { sharedSchemas: options.sharedSchemas }),
    })
    const registry = { controlSchema: parseControlSchema(), prefix: naming.schemaPrefix }
    const context = { pool, naming, registry, connectionTimeout: 10_000, distributed: false }
    const open = openLevel(level, context, { credentials: setting.sealing })
    closers.push(() => open.close())
    const lifecycle: Lifecycle = {
      level,
      ofLevel: lifecycleOfLevel(level, keeperOf(setting.sealing, pool, registry)),
      naming,
      pool,
      adminPool: world.admin,
      registry,
      migrations: parseMigrations([NOTES]),
    }
    const owner = {}
    const enter: EnterScope = (tenant, fn) => runScope(owner, open.isolation, tenant, fn, DEFAULTS)
    return { lifecycle, enter, verify: (how) => verifyIsolation(lifecycle, enter, how) }
  }
}

/** What failed, without what cannot be known beforehand. */
export function failures(report: VerifyReport): string[] {
  return [...new Set(report.checks.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id))].sort()
}

export function outcomesOf(report: VerifyReport, id: VerifyCheck['id']): string[] {
  return [...new Set(report.checks.filter((check) => check.id === id).map(({ outcome }) => outcome))]
}
