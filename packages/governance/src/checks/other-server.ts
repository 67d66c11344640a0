import type { CheckFinding, CheckPlace } from '@org/core'
import { qualify } from '../sql/identifier.ts'
import { areThere } from './there.ts'

/** Up to which transaction something has been done: what is behind that is passed over. */
const POSITIONS = (schema: string): readonly (readonly [part: string, table: string, sql: string])[] => {
  const at = (table: string) => qualify(schema, table)
  return [
    [
      'outbox',
      'outbox_tick',
      `select pg_snapshot_xmax(t.snapshot) as xid from ${at('outbox_tick')} t order by t.id desc limit 1`,
    ],
    ['outbox', 'outbox', `select o.xid from ${at('outbox')} o order by o.xid desc, o.seq desc limit 1`],
    ['usage', 'usage_cursor', `select c.upto as xid from ${at('usage_cursor')} c`],
    ['audit', 'audit_sealer', `select s.xid from ${at('audit_sealer')} s`],
  ]
}

/**
 * Positions ahead of the server's own transactions, which no server gives itself: a dump (or logical replication) took them along to
 * another one, and pg_upgrade and physical copies do not.
 *
 * @internal
 */
export async function otherServerFindings(
  place: CheckPlace,
  schema: string,
): Promise<readonly CheckFinding[]> {
  const ahead: { readonly part: string; readonly epoch: number }[] = []
  for (const [part, table, sql] of POSITIONS(schema)) {
    if (!(await areThere(place, schema, table))) continue
    const { rows } = await place.query<{ epoch: number }>(
      `select div(p.xid::text::numeric, 4294967296)::int + 1 as epoch from (${sql}) p
       where p.xid > pg_snapshot_xmax(pg_current_snapshot())`,
    )
    for (const { epoch } of rows) ahead.push({ part, epoch })
  }
  if (ahead.length === 0) return []
  const parts = [...new Set(ahead.map(({ part }) => part))].join(', ')
  const epoch = Math.max(...ahead.map(({ epoch }) => epoch))
  return [
    {
      code: 'GOVERNANCE_OTHER_SERVER',
      severity: 'error',
      subject: parts,
      message: `${parts}: work was done up to transactions that this server has not had, so a dump brought the tables here from another. What is published, used and recorded now is passed over.`,
      fix: `Stop everything that publishes and works, stop the server, run pg_resetwal --epoch=${epoch} on its data directory (a transaction's number is then beyond all of theirs; nothing else changes), and start it again.`,
    },
  ]
}
