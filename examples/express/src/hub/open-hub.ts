import { fileURLToPath } from 'node:url'
import {
  isTenancyError,
  type Migration,
  type Queryable,
  runWithoutTenant,
  TenancyError,
  type TenantKey,
} from '@org/core'
import { integrationCredentials, integrationsMigration, settingsMigration } from '@org/crypto'
import { API_KEYS_MIGRATION, createApiKeyDirectory, createApiKeys } from '@org/crypto/api-keys'
import { createPasswords } from '@org/crypto/passwords'
import { DENIED_JTI_MIGRATION, REFRESH_TOKEN_MIGRATION } from '@org/crypto/tokens'
import { IDEMPOTENCY_LEAN_MIGRATION, IDEMPOTENCY_MIGRATION } from '@org/governance/idempotency'
import { WEBHOOKS_MIGRATION } from '@org/governance/webhooks'
import {
  createTenancy,
  type IsolationLevel,
  loadMigrations,
  readTogether,
  type TenantDb,
} from '@org/pg-tenant'
import { installRbac, RBAC_API_KEY_MIGRATION, RBAC_MIGRATION } from '@org/rbac/store'
import pg from 'pg'
import type { Logger } from 'pino'
import type { HubConfig } from '../config.ts'
import { changesOf } from './changes.ts'
import { controlOf } from './control.ts'
import { HUB_SCHEMA, installHub, letReadRegistry } from './control-schema.ts'
import { openGovernance } from './governance.ts'
import { forgetKept, installKeeping, openKeeping } from './keeping.ts'
import { openMaintenance } from './maintenance.ts'
import { hubMetrics } from './metrics.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { openPlatform } from './platform.ts'
import { hubSettings } from './settings.ts'
import { hubTokens } from './tokens.ts'

/** Connections to the control schemas, beside those of the tenants' scopes. */
const CONTROL_CONNECTIONS = 4

/** A backend never forgets a table it has touched; often enough, too, that most requests find their tenant's known. */
const USES_OF_A_CONNECTION = 10_000

/**
 * Of those that onboard. A backend keeps plans of every tenant's triggers it ran (about 1 MB each), and looks through all of them
 * whenever a table is made somewhere: without an end, the 300th onboarding takes ten times as long as the first.
 */
const USES_TO_ONBOARD = 50

/** Everything the routes work with. Made once, closed last. */
export type Hub = Awaited<ReturnType<typeof openHub>>

export interface HubExtras {
  /** What tenants have beside the hub's own tables: those of the product they are tenants of. */
  readonly migrations?: readonly Migration[]
  /** Default `role`. */
  readonly isolation?: IsolationLevel
  /** Milliseconds a tenant's scope waits for a connection; default as `createTenancy`. */
  readonly connectionTimeout?: number
}

/** Pools, tenancy, governance, tokens and keys over one database; makes what is not there yet. */
export async function openHub(config: HubConfig, log: Logger, { migrations = [], ...level }: HubExtras = {}) {
  const pool = new pg.Pool({
    connectionString: config.DATABASE_URL,
    max: config.POOL_SIZE,
    maxUses: USES_OF_A_CONNECTION,
  })
  const onboarding = new pg.Pool({
    connectionString: config.DATABASE_URL,
    max: 2,
    maxUses: USES_TO_ONBOARD,
  })
  // Of its own: a tenant's scope that waits for one of these never waits for another scope.
  const controlUrl = config.CONTROL_DATABASE_URL ?? config.ADMIN_DATABASE_URL
  const ofControl = {
    connectionString: controlUrl,
    max: CONTROL_CONNECTIONS,
    connectionTimeoutMillis: 10_000,
  }
  const controlPool = new pg.Pool(ofControl)
  const changesPool = new pg.Pool(ofControl)
  const adminPool = new pg.Pool({ connectionString: config.ADMIN_DATABASE_URL, max: 3 })
  // Without listeners, a connection that dies between two statements ends the process: the pool tells of those that
  // nobody uses, the connection itself of the others, whose next statement then fails.
  const pools = [pool, onboarding, controlPool, changesPool, adminPool]
  for (const each of pools) {
    each.on('error', () => log.warn('an idle connection was lost'))
    each.on('connect', (client) => client.on('error', () => {}))
  }

  const own = await loadMigrations(fileURLToPath(new URL('../../migrations', import.meta.url)))
  const options = {
    adminPool,
    rolePrefix: config.ROLE_PREFIX,
    ...level,
    onForget: forgetKept(config),
    migrations: [
      RBAC_MIGRATION,
      API_KEYS_MIGRATION,
      RBAC_API_KEY_MIGRATION,
      REFRESH_TOKEN_MIGRATION,
      DENIED_JTI_MIGRATION,
      settingsMigration,
      ...own,
      // Behind what tenants of earlier releases have.
      IDEMPOTENCY_MIGRATION,
      WEBHOOKS_MIGRATION,
      integrationsMigration,
      IDEMPOTENCY_LEAN_MIGRATION,
      ...migrations,
    ],
  }
  const tenancy = createTenancy({ ...options, pool })
  const operators = createTenancy({ ...options, pool: onboarding })
  const reads = readTogether(tenancy)
  const control = controlOf(controlPool, changesPool)
  const directory = createApiKeyDirectory({ schema: HUB_SCHEMA })
  const roles = {
    isolation: tenancy.isolation,
    rolePrefix: config.ROLE_PREFIX,
    application: userOf(config.DATABASE_URL),
    hub: userOf(controlUrl),
  }
  const outside = <T>(work: () => Promise<T>): Promise<T> =>
    runWithoutTenant(work).catch((error: unknown) => {
      throw forOperators(error)
    })
  const turns = oneAtATime(controlPool)
  // Replicas that start at once would otherwise wait for each other's locks in a circle.
  const governance = await turns('start', async () => {
    await installRbac(adminPool, { managers: [roles.hub] })
    await installHub(adminPool, directory.migration, roles.hub)
    await installKeeping(adminPool, roles)
    return await openGovernance(control, reads)
  })
  const kept = openKeeping(config, control, tenancy)

  const hub = {
    config,
    log,
    pool,
    /** The control schemas, as the hub's own role. */
    control,
    ...kept,
    /** How routes change things: recorded. */
    changes: changesOf({ ...kept, config, control }),
    maintenance: openMaintenance(control),
    adminPool,
    tenancy,
    governance,
    tokens: hubTokens(config, tenancy, reads, governance.ahead),
    passwords: createPasswords(),
    apiKeys: createApiKeys({ peppers: [{ id: 'env', key: config.API_KEY_PEPPER }] }),
    directory,
    metrics: hubMetrics(
      { tenants: pool, operators: onboarding, control: controlPool, changes: changesPool, admin: adminPool },
      kept.queue,
    ),
    oneAtATime: turns,
    settings: hubSettings(kept.sealing),
    credentials: integrationCredentials({ secrets: kept.sealing }),
    /** Work of an operator on somebody else's tenant: the one place that leaves the request's own. */
    outside,
    /** The same in a scope of that tenant. */
    inTenant: <T>(tenant: TenantKey, fn: (db: TenantDb) => Promise<T>): Promise<T> =>
      outside(() => operators.withTenant(tenant, fn)),
    /** Waits for the scopes that still run, then ends every connection. */
    close: async () => {
      hub.metrics.stop()
      await Promise.all([tenancy.close(), operators.close(), kept.calls.close().catch(() => {})])
      await Promise.all(pools.map((each) => each.end()))
    },
  }
  await turns('start', async () => {
    await openPlatform(hub)
    await letReadRegistry(adminPool, roles.hub)
    // Tenants of an earlier release get what it did not have; when nobody is behind, this is one query.
    const { ok, behind, failed } = await tenancy.migrate({ throwOnFailure: false })
    await kept.keeping.enrol(control, await inService(control))
    if (behind > 0) log[ok ? 'info' : 'error']({ behind, failed }, 'migrated')
  })
  return hub
}

const IN_SERVICE = `select key from tenancy.tenant where status = 'active'`

/** Those of earlier releases as well. */
async function inService(control: Queryable): Promise<string[]> {
  return (await control.query<{ key: string }>(IN_SERVICE)).rows.map(({ key }) => key)
}

function userOf(address: string): string {
  return decodeURIComponent(new URL(address).username)
}

/** The codes about a request's own tenant would tell an operator that *they* are suspended. */
function forOperators(error: unknown): unknown {
  if (isTenancyError(error, 'TENANT_SUSPENDED'))
    return notOpen('tenant_suspended', 'Resume the tenant first.', error)
  if (isTenancyError(error, 'SCHEMA_MISSING') || isTenancyError(error, 'TENANT_NOT_FOUND')) {
    return notOpen('no_schema', "Create the tenant's schema first.", error)
  }
  return error
}

function notOpen(reason: string, message: string, cause: unknown): TenancyError {
  return new TenancyError('CONFLICT', message, { details: { reason }, cause })
}
