import type { Writable } from 'node:stream'
import type { TenantKey } from '@org/core'
import { type BackupResult, backupTenant } from '../../src/backup/backup.ts'
import { offboard } from '../../src/backup/offboard/offboard.ts'
import type { Receipt } from '../../src/backup/offboard/receipt.ts'
import { type RestoreResult, restoreTenant } from '../../src/backup/restore/restore.ts'
import { type ExportResult, exportTenant } from '../../src/export/export.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { type Equal, expectType } from '../types/expect-type.ts'

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
// @ts-expect-error no other format
void exportTenant(lifecycle, tenant, { to: 'folder', format: 'xml' })
