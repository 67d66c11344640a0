import type { Migration, Queryable } from '@org/core'
import type { Envelopes, EnvelopesOf, SealedTable } from '@org/crypto'
import type { Job } from '@org/governance/jobs'
import type { Handlers, WorkerOptions } from '@org/governance/outbox/worker'
import type { PrivacyOptions } from '@org/governance/privacy'
import type { Archive, RetentionOptions } from '@org/governance/retention'
import type { AdviceThresholds, Tenancy, TenancyOptions, TenantDb } from '@org/pg-tenant'

/** What one of several placements may have otherwise than the configuration says for all. */
type Placed = Pick<
  TenancyOptions,
  | 'isolation'
  | 'schemaPrefix'
  | 'rolePrefix'
  | 'controlSchema'
  | 'row'
  | 'credentials'
  | 'sharedSchemas'
  | 'sharedTables'
>

/** One of several clusters, or of several levels. */
export interface PlacementConfig extends Placed {
  /** The application's URL there (default: that of the configuration, as where two differ in the level alone). */
  readonly databaseUrl?: string | undefined
  /** The administrator's URL there, direct and not through a pooler (default: `databaseUrl`). */
  readonly adminUrl?: string | undefined
  /** Its migrations, where they are others: tables of level `row` have a column more. */
  readonly migrations?: string | readonly Migration[] | undefined
  /** When this cluster is too full, where that differs from `thresholds` of the configuration. */
  readonly thresholds?: AdviceThresholds | undefined
}

/** What a seed may need beside its tenant's handle: what a store of `@org/rbac` is made of. */
export interface SeedContext {
  readonly tenancy: Tenancy
  /** Connected as the application. What is done here is no part of the tenant's transaction. */
  readonly pool: Queryable
}

/** What jobs may need: most are administrators' work. */
export interface JobsContext extends SeedContext {
  /** The administrator's pool. */
  readonly admin: Queryable
}

/** The outbox's worker, for `pg-tenant worker` and `pg-tenant outbox`. */
export interface WorkerConfig
  extends Pick<
    WorkerOptions<Record<string, unknown>, TenantDb>,
    'concurrency' | 'perTenant' | 'lease' | 'handlerTimeout' | 'pollInterval' | 'retry' | 'controlSchema'
  > {
  /** As a role of `installOutbox({ workers })` connects; the variable `WORKER_DATABASE_URL` goes before it. */
  readonly databaseUrl?: string | undefined
  /** A handler for each event type, or what makes them. */
  readonly handlers?:
    | EventHandlers
    | ((context: SeedContext) => EventHandlers | Promise<EventHandlers>)
    | undefined
  /**
   * What comes round while the worker runs (`@org/governance/jobs`), or what makes it: sealing, rolling up, retention. With
   * `--once`: what is due.
   */
  readonly jobs?:
    | readonly Job[]
    | ((context: JobsContext) => readonly Job[] | Promise<readonly Job[]>)
    | undefined
}

/** What `@org/governance` keeps, for the commands `audit`, `usage`, `retention`, `privacy` and `webhooks`, and for `doctor`. */
export interface GovernanceConfig {
  /** As everything was installed (default `worker.controlSchema`, else `governance`). */
  readonly controlSchema?: string | undefined
  /** How long what is kept. `archive` may be a folder, relative to this file. */
  readonly retention?:
    | (Omit<RetentionOptions, 'audit' | 'archive' | 'controlSchema'> & {
        readonly archive?: string | Archive | undefined
      })
    | undefined
  /** What is personal, and what else erasing somebody takes. */
  readonly privacy?: Pick<PrivacyOptions, 'data' | 'subjectOf' | 'onErase'> | undefined
}

/** Handlers of events whose payloads are not known here. */
export type EventHandlers = Handlers<Record<string, unknown>, TenantDb>

/** What `pg-tenant.config.ts` exports: the options of `createTenancy`, and what only the command needs. */
export interface Config extends Omit<TenancyOptions, 'pool' | 'adminPool' | 'migrations'> {
  /** As the application connects; the variable `DATABASE_URL` goes before it. */
  readonly databaseUrl?: string | undefined
  /**
   * As the role that makes tenants, connected directly (default: `databaseUrl`); the variable `ADMIN_DATABASE_URL` goes
   * before it.
   */
  readonly adminUrl?: string | undefined
  /** A folder of migrations, relative to this file (default `./migrations` if it is there), or migrations. */
  readonly migrations?: string | readonly Migration[] | undefined
  /** A schema to take off the names in migrations: `public` for those of drizzle-kit (default: none). */
  readonly unqualify?: string | undefined
  /** Clusters by name, for `--placement`; without it the URLs above are used. */
  readonly placements?: Readonly<Record<string, PlacementConfig>> | undefined
  /** Fills a new tenant with its first rows, in one transaction of the tenant. Must bear being repeated. */
  readonly seed?: ((db: TenantDb, tenant: string, context: SeedContext) => Promise<unknown>) | undefined
  /** What opens and seals secrets (default: a key ring of `SETTINGS_ENCRYPTION_KEY`, see `@org/crypto`). */
  readonly secrets?: Envelopes | EnvelopesOf | undefined
  /** The tables whose secrets `rotate-keys` seals anew (default: whatever is sealed in `app_settings`). */
  readonly sealedTables?: readonly SealedTable[] | undefined
  /** The worker over the outbox of `@org/governance`. */
  readonly worker?: WorkerConfig | undefined
  /** What `@org/governance` keeps. */
  readonly governance?: GovernanceConfig | undefined
  /** When `advise` speaks up, and `move --plan` moves. */
  readonly thresholds?: AdviceThresholds | undefined
  /** Where backups go unless told otherwise (default `./backups`), relative to this file. */
  readonly backups?: string | undefined
}

/** Gives a configuration its type: `export default defineConfig({ … })`. */
export function defineConfig(config: Config): Config {
  return config
}
