import { withRoomQuery } from '../../admin/in-room.ts'
import { quoteIdentifier } from '../../sql/identifier.ts'
import { type AdminClient, pinSettings } from '../client.ts'
import { copyOut, type TakeRow } from '../copy.ts'
import { type Place, roomOf } from '../place.ts'
import { mayPlan, type TableReader, unreadable } from '../readers.ts'
import type { LineFormat } from './lines.ts'
import { freeName, type Selected } from './select.ts'

/**
 * Copies the answer of a query over one table. A query is planned, and may run the tenant's code (index expressions, casts
 * to json): where the tenant has a role it runs in its room, and what is copied is the room's answer. Where tables are the
 * migrations' alone (level `row`), or are read by whoever made them, there is nobody else's code in it.
 *
 * @throws TenancyError CONFLICT where the administrator alone could read what somebody else made
 */
export async function copyQuery(
  client: AdminClient,
  reader: TableReader,
  place: Place,
  table: string,
  { copy, json }: LineFormat,
  { query, columns }: Selected,
  take: TakeRow,
): Promise<void> {
  if (!(await mayPlan(reader, place, table))) throw unreadable(table)
  const alias = freeName(columns.map(({ name }) => name))
  const asJson = `select pg_catalog.row_to_json(${alias})::pg_catalog.text as line from (${query}) ${alias}`
  // A table without columns has rows all the same.
  const none = columns.length === 0 && !json
  const asked = json
    ? asJson
    : none
      ? query.replace('select ', 'select null::pg_catalog.text as line ')
      : query
  if (reader.role === 'none') return await copyOut(client, copy(asked), take)
  const typed = columns.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`)
  const answer = json || none ? 'line pg_catalog.text' : typed.join(', ')
  await client.run('set local role none')
  await pinSettings(client)
  await withRoomQuery(client, roomOf(place), asked, answer, async (from) => {
    // For the names of types: a room's answer is planned as a scan of one function, whatever the path.
    await client.run(`set local search_path to ${place.searchPath}`)
    await copyOut(client, copy(`select * from ${from}`), take)
  })
}
