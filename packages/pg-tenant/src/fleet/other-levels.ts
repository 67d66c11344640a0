import { isTenancyError, TenancyError } from '@org/core'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { provision } from '../lifecycle/provision.ts'
import { migrateFleet } from './migrate.ts'
import { type MigrateOptions, type MigrateSettings, parseMigrateOptions } from './options.ts'
import { type Behind, whoIsBehind } from './plan.ts'
import type { MigrateReport, TenantMigration } from './report.ts'
import { readScripts } from './script.ts'

/** Brings every tenant up to date, at any level. See {@link Tenancy.migrate}. */
export function migrate(lifecycle: Lifecycle, options?: MigrateOptions): Promise<MigrateReport> {
  if (lifecycle.level === 'row') return migrateShared(lifecycle, options)
  if (lifecycle.level === 'database') return migrateDatabases(lifecycle, options)
  return migrateFleet(lifecycle, options)
}

/** What the two levels cannot do, because nothing there is one message in one database. */
const UNSUPPORTED = ['phase', 'dryRun', 'recheck'] as const

function parse(options: MigrateOptions | undefined): MigrateSettings {
  const settings = parseMigrateOptions(options)
  for (const name of UNSUPPORTED) {
    if (!settings[name]) continue
    throw new TenancyError('INVALID_OPTION', `migrate: ${name} is not supported at this isolation level.`, {
      details: { option: name },
    })
  }
  return settings
}

/** Level `row`: one schema for all, so that migrating it once migrates every tenant. */
async function migrateShared(lifecycle: Lifecycle, options?: MigrateOptions): Promise<MigrateReport> {
  parse(options)
  const began = performance.now()
  await lifecycle.ofLevel.migrateShared?.(lifecycle)
  return { ...NOBODY, ms: Math.round(performance.now() - began) }
}

/** Level `database`: each tenant on connections of its own, a few at a time, by what `provision` does. */
async function migrateDatabases(lifecycle: Lifecycle, options?: MigrateOptions): Promise<MigrateReport> {
  const settings = parse(options)
  const began = performance.now()
  const scripts = readScripts(lifecycle.migrations)
  const asked = scripts.map(({ ordinal }) => ordinal)
  const behind = await whoIsBehind(lifecycle, scripts, asked, settings)
  const tenants: TenantMigration[] = []
  let failed = 0
  let stopped: MigrateReport['stopped'] = null
  const waiting = [...behind]
  const lane = async () => {
    for (let next = waiting.shift(); next && stopped === null; next = waiting.shift()) {
      const tenant = await migrateOne(lifecycle, next)
      tenants.push(tenant)
      if (tenant.state === 'failed' && ++failed >= settings.maxFailures) stopped = 'failures'
      if (settings.signal?.aborted) stopped ??= 'aborted'
      const [done, total] = [tenants.length, behind.length]
      const rate = (done * 1_000) / Math.max(1, performance.now() - began)
      const remainingMs = Math.round(((total - done) * 1_000) / rate)
      settings.onTenant?.(tenant, { done, failed, total, rate, remainingMs })
    }
  }
  await Promise.all(Array.from({ length: settings.connections }, lane))
  const migrated = tenants.length - failed
  return {
    ok: migrated === behind.length,
    behind: behind.length,
    migrated,
    failed,
    untouched: behind.length - tenants.length,
    stopped,
    ms: Math.round(performance.now() - began),
    tenants,
  }
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
