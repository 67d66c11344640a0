import { type Guard, guardsIn } from '../guard.ts'

const backup = guardsIn('packages/pg-tenant/src/', [
  ['packages/pg-tenant/test/backup', 'packages/pg-tenant/test/export'],
])

export const backupGuards: readonly Guard[] = [
  backup(
    'backup/archive/reader.ts',
    "if (!(await this.#take(DIGEST_BYTES)).equals(expected)) throw unreadable('damaged')",
    'await this.#take(DIGEST_BYTES); void expected',
  ),
  backup(
    'backup/archive/reader.ts',
    "if ((await this.#reader.take(1)).length > 0) throw unreadable('trailing')",
    '',
  ),
  backup('backup/archive/reader.ts', "if (length > MAX_PAYLOAD_BYTES) throw unreadable('damaged')", ''),
  backup(
    'backup/archive/writer.ts',
    'return this.#inWork >= BLOCKS_IN_WORK ? this.#written : undefined',
    'return undefined',
  ),
  backup('backup/backup.ts', 'if (row?.unchanged === true) return', 'return'),
  backup(
    'backup/backup.ts',
    "await admin.run('rollback to savepoint one_table; release savepoint one_table')",
    '',
  ),
  backup('backup/backup.ts', 'if (closed) await openForOwner(admin, place)', ''),
  backup(
    'backup/restore/vacancy.ts',
    'if (!replace && !(await isEmpty(admin, place))) throw conflict(tenant, NOT_EMPTY)',
    '',
  ),
  backup('backup/restore/restore.ts', 'const reuse = own || reuseDeletedKey', 'const reuse = true'),
  backup('backup/restore/restore.ts', "if (status === 'suspended') await ofLevel.takeOutOfService(work)", ''),
  backup('backup/restore/verify.ts', 'if (!same) throw different', 'if (false) throw different'),
  backup('backup/offboard/offboard.ts', 'if (confirm !== tenant) throw', 'if (false) throw'),
  backup('backup/offboard/offboard.ts', 'await drain(work, place, drainMs, onBusy)', ''),
  backup('backup/offboard/offboard.ts', 'await ofLevel.takeOutOfService(work)', ''),
  backup(
    'backup/offboard/offboard.ts',
    'const ready = begun.backedUp ? begun :',
    'const ready = false ? begun :',
  ),
  backup('backup/offboard/drop-objects.ts', 'if (batch === 1 ||', 'if (true ||'),
  backup('export/select.ts', 'if (PLAIN.has(category) ||', 'if (true ||'),
  backup('export/lines.ts', 'if (row[0] !== QUOTE) return row', 'return row'),
]
