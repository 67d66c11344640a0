import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Belongings, Migration, Sealing } from '@org/core'
import type { IsolationLevel, Tenancy, TenancyOptions } from '@org/pg-tenant'
import type { Pool } from 'pg'

import { CliError } from '../cli-error.ts'
import { governanceSchema } from './governance.ts'
import type { Environment, Settings } from './settings.ts'

/** A tenancy with the connections under it. */
export interface Connected {
  readonly tenancy: Tenancy
  /** The application's. */
  readonly pool: Pool
  /** The administrator's. */
  readonly adminPool: Pool
  /** What `migrate` has: ids, oldest first. */
  readonly migrations: readonly Migration[]
  close(): Promise<void>
}

/** What a command needs beyond the ordinary. */
export interface Needs {
  /** Connections of the administrator at once (default 4). */
  readonly adminConnections?: number | undefined
  /** Connections of the application at once (default 4). */
  readonly connections?: number | undefined
  /** Whether what `@org/governance` keeps is looked at as well (default no). */
  readonly checks?: boolean | undefined
  /** Whether tenants are moved, and what packages keep of them with them (default no). */
  readonly belongings?: boolean | undefined
}

/** Milliseconds to wait for a connection. */
const CONNECT_MS = 10_000

/**
 * Opens a tenancy over pools of its own. Loads the driver and the library, which `--help` does without.
 *
 * @throws TenancyError INVALID_OPTION, KEY_INVALID
 */
export async function openTenancy(settings: Settings, env: Environment, needs: Needs): Promise<Connected> {
  const [{ default: pg }, { createTenancy }, migrations, options, checks, belongings] = await Promise.all([
    import('pg'),
    import('@org/pg-tenant'),
    migrationsOf(settings),
    optionsOf(settings, env),
    checksOf(settings, needs),
    belongingsOf(settings, needs),
  ])
  const open = (connectionString: string, max: number): Pool => {
    const pool = new pg.Pool({
      connectionString,
      max,
      connectionTimeoutMillis: CONNECT_MS,
      application_name: 'pg-tenant',
    })
    // The statement that uses the connection reports its loss; without a listener the process would end.
    pool.on('error', () => {})
    return pool
  }
  const pool = open(settings.databaseUrl, needs.connections ?? 4)
  const adminPool = open(settings.adminUrl, needs.adminConnections ?? 4)
  const tenancy = createTenancy({
    ...options,
    pool,
    adminPool,
    migrations,
    belongings,
    ...(checks && { checks }),
  })
  const close = async () => {
    await tenancy.close()
    await Promise.all([pool.end(), adminPool.end()])
  }
  return { tenancy, pool, adminPool, migrations, close }
}

const LEVELS: readonly string[] = ['schema', 'role', 'login', 'row', 'database'] satisfies IsolationLevel[]

/** The options of `createTenancy` in the configuration; what it does not know it refuses itself. */
async function optionsOf(
  { config }: Settings,
  env: Environment,
): Promise<Omit<TenancyOptions, 'pool' | 'migrations'>> {
  const {
    databaseUrl: _url,
    adminUrl: _adminUrl,
    migrations: _migrations,
    unqualify: _unqualify,
    placements: _placements,
    seed: _seed,
    secrets: _secrets,
    sealedTables: _tables,
    thresholds: _thresholds,
    backups: _backups,
    worker: _worker,
    governance: _governance,
    ...options
  } = config
  const { isolation = 'role', credentials } = options
  if (!LEVELS.includes(isolation)) {
    throw new CliError('CONFIGURATION', `isolation must be one of ${LEVELS.join(', ')}.`)
  }
  if ((isolation !== 'login' && isolation !== 'database') || credentials !== undefined) return options
  return { ...options, credentials: await sealingOf(config.secrets, env) }
}

/** Those of the configuration, and of what `@org/governance` keeps: where nothing is installed they find nothing. */
async function checksOf({ config }: Settings, { checks }: Needs): Promise<TenancyOptions['checks']> {
  if (!checks) return undefined
  const { governanceChecks } = await import('@org/governance/checks')
  const personalData = config.governance?.privacy?.data
  const ours = governanceChecks({ controlSchema: governanceSchema(config), personalData })
  const names = new Set(config.checks?.map(({ name }) => name))
  return [...(config.checks ?? []), ...ours.filter(({ name }) => !names.has(name))]
}

/** Those of the configuration, and of what `@org/governance` and `@org/crypto` keep: where nothing is installed they find nothing. */
async function belongingsOf({ config }: Settings, { belongings }: Needs): Promise<readonly Belongings[]> {
  const given = config.belongings ?? []
  if (!belongings) return given
  const parts = await Promise.all([
    import('@org/governance/audit'),
    import('@org/governance/outbox'),
    import('@org/governance/privacy'),
    import('@org/governance/retention'),
    import('@org/governance/usage'),
    import('@org/crypto'),
  ])
  const [audit, outbox, privacy, retention, usage, crypto] = parts
  const at = { controlSchema: governanceSchema(config) }
  const ours = [
    crypto.dataKeyBelongings(),
    privacy.privacyBelongings(at),
    audit.auditBelongings(at),
    outbox.outboxBelongings(at),
    usage.usageBelongings(at),
    retention.retentionBelongings(at),
  ]
  const names = new Set(given.map(({ name }) => name))
  return [...given, ...ours.filter(({ name }) => !names.has(name))]
}

/** At levels `login` and `database` passwords are sealed as settings are, unless the configuration says otherwise. */
async function sealingOf(secrets: Settings['config']['secrets'], env: Environment): Promise<Sealing> {
  if (typeof secrets === 'function') {
    return {
      seal: async (plaintext, place) => (await secrets(place.tenant)).seal(plaintext, place),
      open: async (sealed, place) => (await secrets(place.tenant)).open(sealed, place),
    }
  }
  return secrets ?? (await import('@org/crypto')).keyRingFromEnv(env)
}

async function migrationsOf({ config, folder, file }: Settings): Promise<readonly Migration[]> {
  const { migrations = './migrations', unqualify } = config
  if (typeof migrations !== 'string') return migrations
  const path = resolve(folder, migrations)
  const files = await readdir(path).catch(() => undefined)
  if (!files && (config.migrations === undefined || file === undefined)) return []
  if (files?.length === 0) {
    throw new CliError('CONFIGURATION', `${path} is empty. Put the first migration there, say 0001_init.sql.`)
  }
  const { loadMigrations } = await import('@org/pg-tenant')
  return loadMigrations(path, unqualify === undefined ? {} : { unqualify })
}
