import type { Adoption } from '../adoption/finding.ts'
import type { AdoptOptions, ConfirmOptions, UndoOptions } from '../adoption/options.ts'
import type { UnconfirmedAdoption } from '../adoption/unconfirmed.ts'
import type { BackupOptions, BackupResult } from '../archive/backup-options.ts'
import type { ExportOptions, ExportResult } from '../archive/export/export.ts'
import type { RestoreOptions, RestoreResult } from '../archive/restore/options.ts'
import type { TenantConnection } from '../credentials/connection.ts'
import type { ProvisionOptions, ProvisionResult } from '../lifecycle/provision.ts'
import type { ReadyTenants } from '../lifecycle/ready/ready.ts'
import type { OffboardOptions } from '../offboard/options.ts'
import type { Receipt } from '../offboard/receipt.ts'

/** The life of one tenant, from sign-up to its end: the part of a {@link Tenancy} that makes, moves and removes. */
export interface TenancyLife {
  /**
   * Creates what the tenant needs, or completes it: role, schema, privileges, marker, migrations. In one
   * transaction, so that it is there or not; may be repeated, also by several processes at once.
   *
   * A suspended tenant is brought up to date and stays suspended.
   *
   * @throws TenancyError INVALID_TENANT_KEY, CONFLICT (the names belong to something else, or a tenant of that key was
   *   dropped), INVALID_OPTION (the administrator lacks a right: the message says which), DATABASE_ERROR
   */
  provision(key: string, options?: ProvisionOptions): Promise<ProvisionResult>

  /**
   * Takes over a schema that is there, under the name it has, with its data in place: role, owners, marker, registry, and the ledger
   * up to `baseline`; at levels `login` and `database` a login and a database that are there, too (`role`, `password`, `database`). At level
   * `row` there is nothing to take over one by one. One transaction (at level `database` one in each of the two), in which the application goes on: tables are locked at the
   * very end, for `maxLockTime` (800 ms) at most. Who owned the tables before may all that it could, until `confirmAdoption`; until
   * then `undoAdoption` makes everything what it was. Run again, it takes over what was made since.
   *
   * @throws TenancyError CONFLICT (`AdoptionRefused`): `error.adoption.findings` has all that is in the way, with SQL that mends it;
   *   `dryRun: true` resolves with it instead
   * @throws TenancyError INVALID_TENANT_KEY, INVALID_OPTION; TIMEOUT when the tables were in use all the time; DATABASE_ERROR; in
   *   each case nothing was changed
   * @example
   * ```ts
   * const { findings } = await tenancy.adopt('acme', { schema: 'client_acme', baseline: '0007_invoices', dryRun: true })
   * if (findings.every(({ severity }) => severity !== 'error')) await tenancy.adopt('acme', { schema: 'client_acme', baseline: '0007_invoices' })
   * ```
   */
  adopt(key: string, options?: AdoptOptions): Promise<Adoption>

  /**
   * Says that an adopted tenant stays one: takes from earlier owners, from PUBLIC and from the application what they could do to its
   * tables beside it.
   *
   * @returns whether that was still to be said
   * @throws TenancyError CONFLICT when earlier owners made something since (run `adopt` again), or something outside the schema leads into it
   * @throws TenancyError TENANT_NOT_FOUND, TIMEOUT, INVALID_TENANT_KEY, INVALID_OPTION
   */
  confirmAdoption(key: string, options?: ConfirmOptions): Promise<boolean>

  /**
   * Makes owners and privileges what they were before `adopt`, and the tenant one that never was: no role, no marker, no row in the
   * registry. Rows stay as they are now; what the tenant made since goes to whom the schema belonged. Code it made (functions, views,
   * triggers, policies) would have that one's rights: it is refused and named, unless `code` says `accept`. Calls `onForget`.
   *
   * @throws TenancyError CONFLICT when the adoption was confirmed, or there was none, or code was made since (`details.reason` `code`); TENANT_NOT_FOUND, TIMEOUT,
   *   INVALID_TENANT_KEY, INVALID_OPTION
   */
  undoAdoption(key: string, options?: UndoOptions): Promise<void>

  /**
   * Adopted tenants that are not confirmed yet, in the byte order of their keys.
   *
   * @throws TenancyError CONNECTION_LOST, DATABASE_ERROR
   */
  adoptions(): Promise<readonly UnconfirmedAdoption[]>

  /** Tenants made ahead, for sign-ups in milliseconds. */
  readonly ready: ReadyTenants

  /**
   * Takes the tenant out of service: as soon as this resolves, no scope of it opens in any process
   * (`TENANT_SUSPENDED`), and what a scope still running reads or writes fails. Its data stays.
   *
   * @param reason for the registry; it is not told to the tenant
   * @returns whether it was in service
   * @throws TenancyError INVALID_TENANT_KEY, TENANT_NOT_FOUND
   */
  suspend(key: string, reason?: string): Promise<boolean>

  /**
   * Puts a suspended tenant back into service.
   *
   * @returns whether it was suspended
   * @throws TenancyError INVALID_TENANT_KEY, TENANT_NOT_FOUND
   */
  resume(key: string): Promise<boolean>

  /**
   * Writes a tenant's data to an archive (BACKUP.md): one consistent snapshot, in constant memory, with checksums, at every
   * level. With `format: 'pg_dump'` to a file of that program, with a manifest beside it.
   *
   * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY, TENANT_NOT_FOUND, CONFLICT, SERVICE_UNAVAILABLE (it cannot be
   *   written; no `pg_dump`, or one older than the server), TIMEOUT, ABORTED, DATABASE_ERROR
   */
  backup(key: string, options: BackupOptions): Promise<BackupResult>

  /**
   * Restores a backup into a tenant that is not there or empty; an archive also under another key or at another level with
   * tables of its own. Rows and checksums are compared before COMMIT, and nothing is ever overwritten in silence.
   *
   * @throws TenancyError VALIDATION_ERROR (the backup is damaged), NOT_FOUND (no such file), CONFLICT (there is data already,
   *   the migrations differ, or see `details.reason`), SERVICE_UNAVAILABLE (no `pg_restore`), INVALID_OPTION,
   *   INVALID_TENANT_KEY, TIMEOUT, ABORTED, DATABASE_ERROR
   */
  restore(key: string, options: RestoreOptions): Promise<RestoreResult>

  /**
   * Writes a tenant's rows as JSON Lines or CSV (RFC 4180), for people; sealed values are masked.
   *
   * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY, TENANT_NOT_FOUND, CONFLICT, ABORTED, DATABASE_ERROR
   */
  export(key: string, options: ExportOptions): Promise<ExportResult>

  /**
   * Ends a tenant for good and leaves a receipt: no new scope opens, running ones are waited for, a backup is taken unless
   * `backup: 'skip'`, then everything goes in batches and `onForget` is called. Cut off at any point, it is run again and
   * goes on.
   *
   * @throws TenancyError VALIDATION_ERROR (`confirm` is not the key), TENANT_NOT_FOUND, TIMEOUT (scopes stay), CONFLICT,
   *   ABORTED, INVALID_OPTION, DATABASE_ERROR
   */
  offboard(key: string, options: OffboardOptions): Promise<Receipt>

  /**
   * The plain removal under {@link Tenancy.offboard}: waits for running scopes (10 seconds), then drops the tenant with all it
   * has, and its role, database and credentials, and calls `onForget`. It asks nobody, takes no backup and leaves no
   * receipt, only the tombstone; and a tenant with thousands of tables goes in one transaction, with a lock for each. For
   * tests and for tenants that never had data; for everybody else there is `offboard`.
   *
   * @returns whether there was anything to drop
   * @throws TenancyError INVALID_TENANT_KEY, CONFLICT (the schema is not a tenant's), TIMEOUT (scopes still use it)
   */
  drop(key: string): Promise<boolean>

  /**
   * Gives a tenant's login role a new password, at levels `login` and `database`. Connections that are open stay;
   * processes that know the old one fetch the new one when they connect next.
   *
   * @returns the tenant's connection, shown this once. Where you supply credentials yourself, keep it: the tenant's next
   *   connection needs it
   * @throws TenancyError INVALID_TENANT_KEY, TENANT_NOT_FOUND, INVALID_OPTION (a level without logins), DATABASE_ERROR
   */
  rotateCredentials(key: string): Promise<TenantConnection>
}
