import type { Writable } from 'node:stream'
import type { Queryable, TenantKey } from '@org/core'
import { type Equal, expectType } from '@org/pg-testing/expect-type'
import { backupTenant } from '../../src/archive/backup.ts'
import type { BackupResult } from '../../src/archive/backup-options.ts'
import { type ExportResult, exportTenant } from '../../src/archive/export/export.ts'
import type { RestoreResult } from '../../src/archive/restore/options.ts'
import { restoreTenant } from '../../src/archive/restore/restore.ts'
import type { OnForget, TenancyOptions } from '../../src/index.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { offboard } from '../../src/offboard/offboard.ts'
import type { Receipt } from '../../src/offboard/receipt.ts'

declare const lifecycle: Lifecycle
declare const tenant: TenantKey
declare const stream: Writable

expectType<Equal<ReturnType<typeof backupTenant>, Promise<BackupResult>>>(true)
expectType<Equal<ReturnType<typeof restoreTenant>, Promise<RestoreResult>>>(true)
expectType<Equal<ReturnType<typeof exportTenant>, Promise<ExportResult>>>(true)
expectType<Equal<ReturnType<typeof offboard>, Promise<Receipt>>>(true)

void backupTenant(lifecycle, tenant, { to: stream, compression: 'gzip' })
// @ts-expect-error no other compression
void backupTenant(lifecycle, tenant, { to: 'file', compression: 'brotli' })
// @ts-expect-error a key is parsed first
void backupTenant(lifecycle, 'acme', { to: 'file' })
// @ts-expect-error a restore is replaced by name, never by `true`
void restoreTenant(lifecycle, tenant, { from: 'file', force: true })
// @ts-expect-error what to do about the backup is said, never assumed
void offboard(lifecycle, tenant, { confirm: 'acme' })
// @ts-expect-error the last backup is an archive: the program cannot get into what is closed
void offboard(lifecycle, tenant, { confirm: 'acme', backup: { to: 'file', format: 'pg_dump' } })
void offboard(lifecycle, tenant, { confirm: 'acme', backup: { to: 'file', compression: 'none' } })
// @ts-expect-error no other format
void backupTenant(lifecycle, tenant, { to: 'file', format: 'tar' })
void backupTenant(lifecycle, tenant, {
  to: 'file',
  format: 'pg_dump',
  programs: '/opt/bin',
  programEnvironment: {},
})
const { signal } = new AbortController()
void restoreTenant(lifecycle, tenant, { from: 'file', signal, skipMigrations: true })
void exportTenant(lifecycle, tenant, { to: 'folder', signal })
expectType<Equal<Parameters<OnForget>, [control: Queryable, tenant: TenantKey]>>(true)
expectType<Equal<NonNullable<TenancyOptions['onForget']>, OnForget>>(true)
// @ts-expect-error no other format
void exportTenant(lifecycle, tenant, { to: 'folder', format: 'xml' })
