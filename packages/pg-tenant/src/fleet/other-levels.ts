import { isTenancyError, TenancyError } from '@org/core'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { provision } from '../lifecycle/provision.ts'
import { isLeftOut, readScripts, type Script } from '../migrations/script.ts'
import { dryRunText } from './message.ts'
import { canariesOf, migrateFleet } from './migrate.ts'
import { type MigrateOptions, type MigrateSettings, parseMigrateOptions } from './options.ts'
import { type Behind, whoIsBehind } from './plan.ts'
import type { MigrateReport, TenantMigration } from './report.ts'

/** Brings every tenant up to date, at any level. See {@link Tenancy.migrate}. */
export function migrate(lifecycle: Lifecycle, options?: MigrateOptions): Promise<MigrateReport> {
  if (lifecycle.level === 'row') return migrateShared(lifecycle, options)
  if (lifecycle.level === 'database') return migrateDatabases(lifecycle, options)
  return migrateFleet(lifecycle, options)
}

/** How a statement is run: what provisioning decides by itself. (It tries once, which is within any `attempts`.) */
const OF_STATEMENTS = ['lockTimeout', 'statementTimeout', 'allowSchemas'] as const

/** What a level cannot do is refused, never left out: at `row` all tenants share one schema, and none goes first. */
const UNSUPPORTED = {
  row: ['phase', 'dryRun', 'recheck', 'canary', 'only', 'except', 'limit', ...OF_STATEMENTS],
  database: ['phase', 'recheck', ...OF_STATEMENTS],
} as const

function parse(level: keyof typeof UNSUPPORTED, options: MigrateOptions | undefined): MigrateSettings {
  const settings = parseMigrateOptions(options)
  for (const name of UNSUPPORTED[level]) {
    if (options?.[name] === undefined || options[name] === false) continue
    throw new TenancyError('INVALID_OPTION', `migrate: ${name} is not supported at level ${level}.`, {
      details: { option: name },
    })
  }
  return settings
}

/** Level `row`: one schema for all, so that migrating it once migrates every tenant. */
async function migrateShared(lifecycle: Lifecycle, options?: MigrateOptions): Promise<MigrateReport> {
  parse('row', options)
  const began = performance.now()
  await lifecycle.ofLevel.migrateShared?.(lifecycle)
  return { ...NOBODY, ms: Math.round(performance.now() - began) }
}

/**
 * Level `database`: each tenant on connections of its own, a few at a time, by what `provision` does; files marked
 * no-transaction run in its transaction, without CONCURRENTLY.
 */
async function migrateDatabases(lifecycle: Lifecycle, options?: MigrateOptions): Promise<MigrateReport> {
  const settings = parse('database', options)
  const began = performance.now()
  const scripts = readScripts(lifecycle.migrations)
  const asked = scripts.map(({ ordinal }) => ordinal)
  const behind = await whoIsBehind(lifecycle, scripts, asked, settings)
  requireRunnable(scripts, behind)
  const tenants: TenantMigration[] = settings.dryRun
    ? behind.map((one) => planned(lifecycle, scripts, one))
    : []
  let failed = 0
  let stopped: MigrateReport['stopped'] = null
  const isStopped = () => {
    if (settings.signal?.aborted) stopped ??= 'aborted'
    return stopped !== null
  }
  const ended = (tenant: TenantMigration) => {
    tenants.push(tenant)
    if (tenant.state === 'failed' && ++failed >= settings.maxFailures) stopped ??= 'failures'
    const [done, total] = [tenants.length, behind.length]
    const rate = (done * 1_000) / Math.max(1, performance.now() - began)
    const remainingMs = Math.round(((total - done) * 1_000) / rate)
    settings.onTenant?.(tenant, { done, failed, total, rate, remainingMs })
  }
  const wave = async (those: readonly Behind[]) => {
    const waiting = [...those]
    const lane = async () => {
      while (!isStopped()) {
        const next = waiting.shift()
        if (!next) return
        ended(await migrateOne(lifecycle, next))
      }
    }
    const ends = await Promise.allSettled(Array.from({ length: settings.connections }, lane))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }
  if (!settings.dryRun) {
    const first = canariesOf(behind, settings.canary)
    await wave(first)
    if (failed > 0 && first.length > 0) stopped = 'canary'
    const canaries = new Set(first)
    await wave(behind.filter((one) => !canaries.has(one)))
  }
  const migrated = tenants.filter(({ state }) => state === 'migrated' || state === 'current').length
  return {
    ok: migrated === behind.length,
    behind: behind.length,
    migrated,
    failed,
    untouched: behind.length - migrated - failed,
    stopped,
    ms: Math.round(performance.now() - began),
    tenants,
  }
}

/**
 * Provisioning leaves VACUUM and REINDEX out: a new tenant has nothing for them. One that has data would be said to have
 * a migration that was not run.
 *
 * @throws TenancyError STATEMENT_REFUSED before anything is run
 */
function requireRunnable(scripts: readonly Script[], behind: readonly Behind[]): void {
  const lacking = scripts.filter(({ ordinal }) => behind.some(({ has }) => !has.includes(ordinal)))
  const refused = lacking.find(({ transaction, statements }) => !transaction && statements.some(isLeftOut))
  if (!refused) return
  throw new TenancyError(
    'STATEMENT_REFUSED',
    `Migration ${refused.id} has VACUUM or REINDEX, which migrate does not run at level database. Nothing was run. Take it out ` +
      "of the migrations and run it in each tenant's database.",
    { details: { migration: refused.id } },
  )
}

function planned(lifecycle: Lifecycle, scripts: readonly Script[], behind: Behind): TenantMigration {
  const todo = scripts.filter(({ ordinal }) => !behind.has.includes(ordinal))
  const [applied, sql] = [todo.map(({ id }) => id), dryRunText(lifecycle, behind, todo)]
  return { tenant: behind.tenant, state: 'planned', applied, ms: 0, attempts: 0, sql }
}

async function migrateOne(lifecycle: Lifecycle, { tenant }: Behind): Promise<TenantMigration> {
  const began = performance.now()
  const ended = () => ({ tenant, ms: Math.round(performance.now() - began), attempts: 1 })
  try {
    const { migrations } = await provision(lifecycle, tenant)
    return { ...ended(), state: migrations.length > 0 ? 'migrated' : 'current', applied: migrations }
  } catch (error) {
    if (!isTenancyError(error)) throw error
    return { ...ended(), state: 'failed', applied: [], error }
  }
}

const NOBODY: MigrateReport = {
  ok: true,
  behind: 0,
  migrated: 0,
  failed: 0,
  untouched: 0,
  stopped: null,
  ms: 0,
  tenants: [],
}
