import { PassThrough } from 'node:stream'
import { backupTenant } from '../archive/backup.ts'
import type { BackupTarget } from '../archive/format/sink.ts'
import { proveRestorable } from '../archive/restore/prove.ts'
import type { Visit } from '../archive/visit.ts'

/**
 * Restores the backup, compares it, and undoes that: nothing is dropped whose archive does not restore. A file is read
 * from where it is; what went into a stream is written once more, of a tenant that nobody can have changed since.
 */
export async function prove(visit: Visit, { to }: { readonly to: BackupTarget }): Promise<void> {
  if (typeof to === 'string') return await proveRestorable(visit, to)
  const { lifecycle, signal, tenant } = visit
  const through = new PassThrough()
  const written = backupTenant(lifecycle, tenant, { to: through, signal })
  written.catch((error: unknown) => through.destroy(error as Error))
  try {
    await proveRestorable(visit, through)
  } finally {
    through.destroy()
    await written.catch(() => {})
  }
  await written
}
