import type { CheckFinding, CheckPlace } from '@org/core'
import { POSITIONS } from '../outbox/positions.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { areThere } from './there.ts'

interface Part {
  readonly part: string
  readonly table: string
  /** Up to which transactions something has been done; what is behind them is passed over. */
  readonly reached: string
  /** Puts behind all that what was written here meanwhile. */
  readonly anew: string
}

const partsOf = (schema: string): readonly Part[] => {
  const at = (table: string) => qualify(schema, table)
  const anew = (table: string, when: string, done: string) =>
    `UPDATE ${at(table)} SET xid = pg_current_xact_id() WHERE ${when} > (SELECT ${done})`
  return [
    {
      part: 'outbox',
      table: 'outbox_tick',
      reached: POSITIONS(quoteIdentifier(schema)),
      anew: anew('outbox', 'published_at', `max(at) FROM ${at('outbox_tick')}`),
    },
    {
      part: 'usage',
      table: 'usage_cursor',
      reached: `select c.upto as xid from ${at('usage_cursor')} c`,
      anew: anew('usage_delta', 'at', `coalesce(max(updated_at), '-infinity') FROM ${at('usage_metrics')}`),
    },
    {
      part: 'audit',
      table: 'audit_sealer',
      reached: `select s.xid from ${at('audit_sealer')} s`,
      anew: anew('audit_log', 'created_at', `coalesce(max(sealed_at), '-infinity') FROM ${at('audit_seal')}`),
    },
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
  const ahead: (Part & { readonly epoch: number })[] = []
  for (const part of partsOf(schema)) {
    if (!(await areThere(place, schema, part.table))) continue
    const { rows } = await place.query<{ epoch: number }>(
      `select div(max(p.xid::text::numeric), 4294967296)::int + 1 as epoch from (${part.reached}) p
       where p.xid > pg_snapshot_xmax(pg_current_snapshot()) having count(*) > 0`,
    )
    for (const { epoch } of rows) ahead.push({ ...part, epoch })
  }
  if (ahead.length === 0) return []
  const parts = ahead.map(({ part }) => part).join(', ')
  const epoch = Math.max(...ahead.map(({ epoch }) => epoch))
  return [
    {
      code: 'GOVERNANCE_OTHER_SERVER',
      severity: 'error',
      subject: parts,
      message: `${parts}: work was done up to transactions that this server has not had, so a dump brought the tables here from another. What is published, used and recorded now is passed over.`,
      fix: `Stop everything that writes and works, stop the server, run pg_resetwal --epoch=${epoch} on its data directory (a transaction's number is then beyond all of theirs; nothing else changes), and start it again. Then, for what was written here meanwhile and before a worker starts: ${ahead.map(({ anew }) => anew).join('; ')}`,
    },
  ]
}
