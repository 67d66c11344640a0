import type { ArchiveManifest, ArchiveSummary } from './format/manifest.ts'
import { openArchive } from './format/reader.ts'
import type { BackupSource } from './format/source.ts'

/** What an archive holds, found to be whole. */
export interface ArchiveContents {
  readonly manifest: ArchiveManifest
  readonly summary: ArchiveSummary
  /** SHA-256 of the archive, in hex, as `sha256sum` says it. */
  readonly sha256: string
  readonly bytes: number
}

/**
 * Reads an archive from end to end and checks every digest in it. Needs no database.
 *
 * @throws TenancyError VALIDATION_ERROR (`details.reason`), NOT_FOUND, INVALID_OPTION, SERVICE_UNAVAILABLE
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { inspectArchive } from '@org/pg-tenant/admin'
 *
 * const to = `${await mkdtemp(`${tmpdir()}/backup-`)}/globex.tenant`
 * await tenancy.backup('globex', { to })
 * const { manifest } = await inspectArchive(to) // read to its end: sums and counts are right
 * manifest.tenant // → 'globex'
 * ```
 */
export async function inspectArchive(from: BackupSource): Promise<ArchiveContents> {
  const archive = await openArchive(from)
  try {
    const blocks = archive.blocks()
    for (;;) {
      const next = await blocks.next()
      if (next.done) return { manifest: archive.manifest, ...next.value }
    }
  } finally {
    await archive.close()
  }
}
