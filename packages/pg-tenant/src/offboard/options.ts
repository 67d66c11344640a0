import { integerOption, invalidOption, TenancyError, type TenantKey } from '@org/core'
import type { BackupOptions } from '../archive/backup-options.ts'
import type { OnBusy, Patience } from './drain.ts'

/** Options of {@link offboard}. */
export interface OffboardOptions {
  /** The tenant's key once more: what is dropped cannot be meant by accident. */
  readonly confirm: string
  /** Where the last backup goes, an archive (see {@link backupTenant}), or `'skip'`: the data is gone for good. */
  readonly backup: Pick<BackupOptions, 'to' | 'compression'> | 'skip'
  /**
   * What may be lost although the backup does not hold it, by name, as `backup` lists it in `skipped` and the refusal names it
   * (default: nothing): `['large objects', 'remote_orders']`.
   */
  readonly lose?: readonly string[] | undefined
  /** Milliseconds running scopes get to end (default 10,000; 1 to 3,600,000). */
  readonly drain?: number | undefined
  /** What happens to scopes that do not end in time: `report` (default) refuses, `terminate` ends their connections. */
  readonly onBusy?: OnBusy | undefined
  /** Who asked for it, for the receipt: a name or a ticket, at most 200 characters. */
  readonly requestedBy?: string | undefined
  /**
   * Stops the off-boarding. Until the backup is safe that calls it off, and the tenant is in service as before; behind that
   * the tenant stays closed, and running it again finishes it.
   */
  readonly signal?: AbortSignal | undefined
}

/** The same, checked. */
export interface OffboardSettings {
  readonly backup: OffboardOptions['backup']
  readonly lose: readonly string[]
  readonly requestedBy: string | null
  readonly patience: Patience
}

/** @throws TenancyError VALIDATION_ERROR (not confirmed), INVALID_OPTION */
export function parseOffboard(
  tenant: TenantKey,
  {
    confirm,
    backup,
    lose = [],
    drain: drainMs = 10_000,
    onBusy = 'report',
    requestedBy,
    signal,
  }: Partial<OffboardOptions> = {},
): OffboardSettings {
  if (confirm !== tenant) throw notConfirmed()
  if (backup !== 'skip' && typeof backup?.to !== 'string' && typeof backup?.to?.write !== 'function') {
    throw invalidOption('backup', '{ to: path or Writable }, or "skip"')
  }
  if (!Array.isArray(lose) || lose.some((name) => typeof name !== 'string')) {
    throw invalidOption('lose', 'a list of names')
  }
  integerOption('drain', drainMs, 1, 3_600_000, 'milliseconds')
  if (onBusy !== 'report' && onBusy !== 'terminate') throw invalidOption('onBusy', '"report" or "terminate"')
  if (requestedBy !== undefined && (typeof requestedBy !== 'string' || requestedBy.length > 200)) {
    throw invalidOption('requestedBy', 'a text of at most 200 characters')
  }
  return { backup, lose, requestedBy: requestedBy ?? null, patience: { drainMs, onBusy, signal } }
}

/** Not a mistake of the program: the key comes from whoever asks for it. */
function notConfirmed(): TenancyError {
  return new TenancyError(
    'VALIDATION_ERROR',
    "The off-boarding was not confirmed: confirm repeats the tenant's key. Nothing was done.",
    { details: { field: 'confirm' } },
  )
}
