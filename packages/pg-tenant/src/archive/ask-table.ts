import { readInRoom } from '../admin/in-room.ts'
import { pinSettings } from './client.ts'
import { type Place, roomOf } from './place.ts'
import { asReader, mayPlan, type TableReader } from './readers.ts'

/**
 * The row of a query over one table: in the tenant's room, where it has one, because a query is planned, and that may run the tenant's
 * code. In a savepoint, which gives the locks back.
 *
 * @param columns what it answers: see {@link readInRoom}
 * @returns `undefined` where nobody may ask
 */
export async function askTable(
  reader: TableReader,
  place: Place,
  table: string,
  sql: string,
  columns: string,
): Promise<Record<string, unknown> | undefined> {
  let rows: Record<string, unknown>[] = []
  await asReader(reader, place, { name: table }, async (client) => {
    if (!(await mayPlan(reader, place, table))) return
    if (reader.role === 'none') {
      rows = await client.run(sql)
      return
    }
    await client.run('set local role none')
    await pinSettings(client)
    rows = await readInRoom(client, roomOf(place), sql, columns)
  })
  return rows[0]
}
