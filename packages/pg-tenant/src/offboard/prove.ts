import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { backupTenant } from '../archive/backup.ts'
import type { BackupTarget } from '../archive/format/sink.ts'
import { proveRestorable } from '../archive/restore/prove.ts'
import type { Visit } from '../archive/visit.ts'

/**
 * Restores the backup, compares it, and undoes that: nothing is dropped whose archive does not restore. A file is read
 * from where it is. What went into a stream is written once more, of a tenant that nobody can have changed since, into the
 * temporary folder, enciphered under a key that only this process has, and removed.
 */
export async function prove(visit: Visit, { to }: { readonly to: BackupTarget }): Promise<void> {
  if (typeof to === 'string') return await proveRestorable(visit, to)
  const { lifecycle, signal, tenant } = visit
  const folder = await mkdtemp(join(tmpdir(), 'pg-tenant-'))
  const file = join(folder, 'rehearsal')
  const [key, iv] = [randomBytes(32), randomBytes(16)]
  try {
    const cipher = createCipheriv('aes-256-ctr', key, iv)
    const kept = pipeline(cipher, createWriteStream(file, { mode: 0o600 }))
    kept.catch(() => {})
    await backupTenant(lifecycle, tenant, { to: cipher, signal })
    await kept
    const plain = createDecipheriv('aes-256-ctr', key, iv)
    const read = pipeline(createReadStream(file), plain)
    read.catch(() => {})
    await proveRestorable(visit, plain)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
