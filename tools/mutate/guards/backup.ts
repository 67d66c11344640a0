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
  backup('backup/describe.ts', 'if (closed) await openForOwner(home, place)', ''),
  backup(
    'backup/restore/vacancy.ts',
    'if (!replace && !(await isEmpty(home, place))) throw conflict(tenant, NOT_EMPTY)',
    '',
  ),
  backup('backup/restore/restore.ts', 'reuse: own || reuseDeletedKey', 'reuse: true'),
  backup(
    'backup/restore/at-once.ts',
    "if (work.status === 'suspended') await ofLevel.takeOutOfService(work)",
    '',
  ),
  backup('backup/restore/verify.ts', 'if (!same) throw different', 'if (false) throw different'),
  backup('backup/offboard/options.ts', 'if (confirm !== tenant) throw', 'if (false) throw'),
  backup(
    'backup/offboard/offboard.ts',
    'if (closed) {\n      await drain(work, place, settings.patience)',
    'if (closed) {',
  ),
  backup('backup/offboard/offboard.ts', 'await ofLevel.takeOutOfService(work)', ''),
  backup(
    'backup/offboard/offboard.ts',
    'const ready = begun.backedUp ? begun :',
    'const ready = false ? begun :',
  ),
  backup('backup/offboard/drop-objects.ts', 'if (batch === 1 ||', 'if (true ||'),
  backup('export/select.ts', 'if (PLAIN.has(category) ||', 'if (true ||'),
  backup('export/lines.ts', 'if (row[0] !== QUOTE) return row', 'return row'),
  backup(
    'backup/place.ts',
    "` where ${table}${quoteIdentifier(tenantColumn)} = current_setting('${TENANT_SETTING}')`",
    "''",
  ),
  backup(
    'backup/place.ts',
    "set_config('row_security', 'on', true)",
    "set_config('row_security', 'off', true)",
  ),
  backup('backup/visit.ts', 'if (record.isolation !== level) throw otherLevel(tenant)', ''),
  backup('backup/catalog.ts', "and a.attname is distinct from $3), '[]') as columns", "), '[]') as columns"),
  backup('backup/client.ts', 'if (!phase.committing) sent = cancelBackend(client)', ''),
  backup(
    'backup/archive/source.ts',
    'const next = await unlessAborted(read, this.#signal)',
    'const next = await read',
  ),
  backup(
    'backup/restore/restore.ts',
    "if ((manifest.isolation === 'row') !== shared) throw misfit('level', OTHER_KIND)",
    '',
  ),
  backup(
    'backup/restore/restore.ts',
    'if (shared && missing.length > 0 && !skipMigrations) throw',
    'if (false) throw',
  ),
  backup('backup/restore/vacancy.ts', 'if (!replace) throw conflict(tenant, NOT_EMPTY)', ''),
  backup('backup/restore/fill-rows.ts', 'await verifyData(admin, place, tables, summary.tables)', ''),
  backup(
    'backup/restore/fill-rows.ts',
    '(await planDrop(admin, row)).reverse()',
    '(await planDrop(admin, row))',
  ),
  backup('backup/restore/sequences.ts', 'if (!(await isTrue(admin, behind))) continue', ''),
  backup(
    'backup/restore/staged.ts',
    'if (cutOff && (await noteOf(home, place.schema)) !== undefined)',
    'if (false)',
  ),
  backup('backup/restore/staged.ts', "if (status === 'provisioning' && !progress.committed)", 'if (false)'),
  backup('backup/offboard/secure.ts', '(await madeBefore(to, begun))', 'undefined'),
  backup(
    'backup/offboard/secure.ts',
    'const own = manifest.tenant === receipt.tenant && manifest.schema === receipt.schema',
    'const own = true',
  ),
  backup(
    'backup/offboard/secure.ts',
    'if (!own || Date.parse(manifest.createdAt) < Date.parse(receipt.startedAt)) return undefined',
    'if (!own) return undefined',
  ),
  backup('backup/offboard/offboard.ts', 'await forget(work)', ''),
  backup(
    'backup/offboard/offboard.ts',
    'opened.closed ? opened : await closeHome(visit, opened, settings)',
    'opened',
  ),
  backup(
    'lifecycle/forget.ts',
    'if (after?.transaction === before?.transaction && after?.unchanged === true) return',
    'return',
  ),
  backup('lifecycle/forget.ts', 'if (over) throw', 'if (false) throw'),
  backup('backup/pg-dump/connection.ts', 'if (version < least)', 'if (false)'),
]
