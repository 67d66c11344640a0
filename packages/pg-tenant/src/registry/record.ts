import type { TenantKey } from '@org/core'
import type { IsolationLevel } from '../isolation/isolation.ts'

/**
 * Where a tenant is in its life. `ready` is nobody's yet: made ahead, under a key that no caller can name. `provisioning` and `deleting` are seen only while something is under way or was cut
 * off: run it again. `deleted` is a tombstone: the key is not given to a new owner by accident.
 */
export type TenantStatus = 'ready' | 'provisioning' | 'active' | 'suspended' | 'deleting' | 'deleted'

/** What the registry knows of a tenant. */
export interface TenantRecord {
  readonly key: TenantKey
  readonly status: TenantStatus
  /** What the administrator wrote when suspending it; never shown to the tenant by this library. */
  readonly suspendedReason: string | null
  readonly isolation: IsolationLevel
  /** The plan it is on: a word of the application's. */
  readonly plan: string | null
  /** Which cluster holds it (default `default`). */
  readonly placement: string
  /** Id of the newest migration it has. */
  readonly schemaVersion: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly deletedAt: Date | null
}

/** The columns of {@link TenantRecord}, for every statement that reads one. */
export const RECORD_COLUMNS = `key, status, suspended_reason as "suspendedReason", isolation, plan, placement,
  schema_version as "schemaVersion", created_at as "createdAt", updated_at as "updatedAt", deleted_at as "deletedAt"`
