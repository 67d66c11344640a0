import { type Guard, guardsIn } from '../guard.ts'

const backup = guardsIn('packages/pg-tenant/src/', [
  ['packages/pg-tenant/test/backup', 'packages/pg-tenant/test/export'],
])

export const backupGuards: readonly Guard[] = [
  backup(
    'archive/format/reader.ts',
    "if (!(await this.#take(DIGEST_BYTES)).equals(expected)) throw unreadable('damaged')",
    'await this.#take(DIGEST_BYTES); void expected',
  ),
  backup(
    'archive/format/reader.ts',
    "if ((await this.#reader.take(1)).length > 0) throw unreadable('trailing')",
    '',
  ),
  backup('archive/format/reader.ts', "if (length > MAX_PAYLOAD_BYTES) throw unreadable('damaged')", ''),
  backup(
    'archive/format/writer.ts',
    'return this.#inWork >= BLOCKS_IN_WORK ? this.#written : undefined',
    'return undefined',
  ),
  backup('archive/backup.ts', 'if (row?.unchanged === true) return', 'return'),
  backup(
    'archive/backup.ts',
    "await admin.run('rollback to savepoint one_table; release savepoint one_table')",
    '',
  ),
  backup('archive/describe.ts', 'if (closed) await openForOwner(home, place)', ''),
  backup(
    'archive/restore/vacancy.ts',
    'if (!replace && !(await isEmpty(home, place))) throw conflict(tenant, NOT_EMPTY)',
    '',
  ),
  backup('archive/restore/restore.ts', 'reuse: own || reuseDeletedKey', 'reuse: true'),
  backup(
    'archive/restore/at-once.ts',
    "if (work.status === 'suspended') await ofLevel.takeOutOfService(work)",
    '',
  ),
  backup('archive/restore/verify.ts', 'if (!same) throw different', 'if (false) throw different'),
  backup('offboard/options.ts', 'if (confirm !== tenant) throw', 'if (false) throw'),
  backup(
    'offboard/offboard.ts',
    'if (closed) {\n      await drain(work, place, settings.patience)',
    'if (closed) {',
  ),
  backup('offboard/offboard.ts', 'await ofLevel.takeOutOfService(work)', ''),
  backup('offboard/offboard.ts', 'const ready = begun.backedUp ? begun :', 'const ready = false ? begun :'),
  backup('offboard/drop-objects.ts', 'if (batch === 1 ||', 'if (true ||'),
  backup('archive/export/select.ts', 'if (PLAIN.has(category) ||', 'if (true ||'),
  backup('archive/export/lines.ts', 'if (row[0] !== QUOTE) return row', 'return row'),
  backup(
    'archive/place.ts',
    "` where ${table}${quoteIdentifier(tenantColumn)} = current_setting('${TENANT_SETTING}')`",
    "''",
  ),
  backup(
    'archive/place.ts',
    "set_config('row_security', 'on', true)",
    "set_config('row_security', 'off', true)",
  ),
  backup('archive/visit.ts', 'if (record.isolation !== level) throw otherLevel(tenant)', ''),
  backup('archive/catalog.ts', "and a.attname is distinct from $3), '[]') as columns", "), '[]') as columns"),
  backup('archive/client.ts', 'if (!phase.committing) sent = cancelBackend(client)', ''),
  backup(
    'archive/format/source.ts',
    'const next = await unlessAborted(read, this.#signal)',
    'const next = await read',
  ),
  backup(
    'archive/restore/restore.ts',
    "if ((manifest.isolation === 'row') !== shared) throw misfit('level', OTHER_KIND)",
    '',
  ),
  backup(
    'archive/restore/restore.ts',
    'if (shared && missing.length > 0 && !skipMigrations) throw',
    'if (false) throw',
  ),
  backup('archive/restore/vacancy.ts', 'if (!replace) throw conflict(tenant, NOT_EMPTY)', ''),
  backup('archive/restore/fill-rows.ts', 'await verifyData(admin, place, tables, summary.tables)', ''),
  backup(
    'archive/restore/fill-rows.ts',
    '(await planDrop(admin, row)).reverse()',
    '(await planDrop(admin, row))',
  ),
  backup('archive/restore/sequences.ts', 'if (!(await isTrue(admin, behind))) continue', ''),
  backup(
    'archive/restore/staged.ts',
    'if (cutOff && (await noteOf(home, place.schema)) !== undefined)',
    'if (false)',
  ),
  backup('archive/restore/staged.ts', "if (status === 'provisioning' && !progress.committed)", 'if (false)'),
  backup('offboard/secure.ts', '(await madeBefore(to, begun))', 'undefined'),
  backup(
    'offboard/secure.ts',
    'const own = manifest.tenant === receipt.tenant && manifest.schema === receipt.schema',
    'const own = true',
  ),
  backup(
    'offboard/secure.ts',
    'if (!own || Date.parse(manifest.createdAt) < Date.parse(receipt.startedAt)) return undefined',
    'if (!own) return undefined',
  ),
  backup('offboard/offboard.ts', 'await forget(work)', ''),
  backup(
    'offboard/offboard.ts',
    'opened.closed ? opened : await closeHome(visit, opened, settings)',
    'opened',
  ),
  backup(
    'lifecycle/forget.ts',
    'if (after?.transaction === before?.transaction && after?.unchanged === true) return',
    'return',
  ),
  backup('lifecycle/forget.ts', 'if (over) throw', 'if (false) throw'),
  backup('archive/pg-dump/connection.ts', 'if (version < least)', 'if (false)'),
]
