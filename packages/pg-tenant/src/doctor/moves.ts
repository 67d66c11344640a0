import { MOVE_PUBLICATION } from '../lifecycle/dependents.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { qualify } from '../sql/identifier.ts'
import type { Collected } from './collected.ts'
import type { Look } from './read-only.ts'

// What a move that runs has published has a slot of the same name, but before it has one.
const PUBLISHED = `select p.pubname::text as name from pg_publication p where starts_with(p.pubname, '${MOVE_PUBLICATION}')
  and not exists (select from pg_replication_slots s where s.slot_name = p.pubname) order by 1`

const UNREAD = `select slot_name::text as name, database::text, coalesce(pg_size_pretty(
    case when pg_is_in_recovery() then null else pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) end), 'some') as held
  from pg_replication_slots where not active and not temporary order by 1`

/** Of a move that has come so far. */
const STANDS: Readonly<Record<string, string>> = {
  ahead: ' while it was in service',
  switched: ': it is taken down here, and opened there, when that goes on',
}

/** What moves between clusters have left, and slots that nobody reads: they hold back the log until the disk is full. */
export async function checkMoves(look: Look, { registry }: Lifecycle, collected: Collected): Promise<void> {
  const table = qualify(registry.controlSchema, 'tenant_move')
  const [there] = await look<{ there: boolean }>('select to_regclass($1) is not null as there', [table])
  const open = there?.there
    ? await look<{ key: string; to: string; reached: string }>(
        `select key, state ->> 'to' as to, state ->> 'reached' as reached from ${table}
         where prefix = $1 and finished_at is null order by key collate "C"`,
        [registry.prefix],
      )
    : []
  for (const { key, to, reached } of open)
    collected.add({
      code: 'MOVE_UNFINISHED',
      severity: 'warning',
      subject: key,
      message: `${key} has a move to ${to} under way, or cut off${STANDS[reached] ?? ': it is out of service until that is done'}.`,
      fix: `Unless it runs: fleet.move(key, '${to}') goes on with it${reached === 'switched' ? '' : ', undo calls it off'}.`,
    })
  for (const { name } of await look<{ name: string }>(PUBLISHED))
    collected.add({
      code: 'MOVE_UNFINISHED',
      severity: 'notice',
      subject: name,
      message: `Publication ${name} was made for a move that is over.`,
      fix: 'The next move of that tenant drops it; or DROP PUBLICATION.',
    })
  for (const { name, held } of await look<{ name: string; held: string }>(UNREAD))
    collected.add({
      code: 'SLOT_UNREAD',
      severity: 'warning',
      subject: name,
      message: `Nobody reads replication slot ${name}, for which the server keeps its log (${held}).`,
      fix: 'Start what reads it; or, where nobody will, pg_drop_replication_slot: it fills the disk. Bound it by max_slot_wal_keep_size.',
    })
}
