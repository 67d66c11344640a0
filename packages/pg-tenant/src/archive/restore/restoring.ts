import type { TenantKey } from '@org/core'
import { traitsOf } from '../../isolation/traits.ts'
import type { Lifecycle } from '../../lifecycle/lifecycle.ts'
import type { OpenArchive } from '../format/reader.ts'
import type { Place } from '../place.ts'

/** One restore: what is put where, and how. */
export interface Restoring {
  readonly lifecycle: Lifecycle
  readonly tenant: TenantKey
  readonly place: Place
  /** The role the application logs in with. */
  readonly application: string
  /** Whether what the tenant has now may go. */
  readonly replace: boolean
  /** Whether the key of a dropped tenant may be used. */
  readonly reuse: boolean
  /** The run of a move (`fleet.move`) that brings it from another cluster: it is left out of service. */
  readonly arrives?: string | undefined
  readonly verify: 'full' | 'archive'
  readonly signal: AbortSignal | undefined
}

/** The same from an archive of this library's own. */
export interface ArchiveRestoring extends Restoring {
  readonly archive: OpenArchive
}

/** Whether rows of tables that all share (level `row`) become a tenant's own, or the other way round: as a move brings them. */
export function changesTables({
  archive: { manifest },
  lifecycle: { level },
}: Pick<ArchiveRestoring, 'archive' | 'lifecycle'>): boolean {
  return traitsOf(manifest.isolation).shared !== traitsOf(level).shared
}

/** What became of it. */
export interface Restored {
  readonly rows: number
  /** SHA-256 of the file, in hex. */
  readonly sha256: string
  /** Migrations newer than the backup, applied behind the data. */
  readonly migrations: readonly string[]
  /** Whether there are more, for another transaction. */
  readonly more?: true
}

/** The tenancy as it was when the backup was taken: with the migrations it had then. */
export function lifecycleThen(
  lifecycle: Lifecycle,
  { migrations }: { readonly migrations: readonly { readonly id: string }[] },
): Lifecycle {
  const then = new Set(migrations.map(({ id }) => id))
  return { ...lifecycle, migrations: lifecycle.migrations.filter(({ id }) => then.has(id)) }
}

/** What becomes of an archive's privileges. */
export interface Privileges {
  /** Whether they are given. */
  readonly privileges: boolean
  /** Whether they are compared: levels where the application itself has them give others than those where it has not. */
  readonly comparePrivileges: boolean
  /** The role that scopes run as, where it is not the tenant's. */
  readonly application: string
}
