import { readInRoom } from '../admin/in-room.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { type AdminClient, pinSettings } from './client.ts'
import type { ArchivedTable } from './format/manifest.ts'
import { type Place, roomOf } from './place.ts'

/**
 * What says whether generated columns hold what they held: COPY leaves them out, and what they are computed from may have
 * changed since (a function that reads another table). In the tenant's room, because a query is planned.
 *
 * @returns the rows and a sum over them, in whatever order they lie on disk
 */
export async function digestComputed(
  home: AdminClient,
  place: Place,
  { name, columns, computed = [] }: ArchivedTable,
): Promise<string> {
  const all = [...columns.map((column) => column.name), ...computed].map(quoteIdentifier).join(', ')
  const hashed = `pg_catalog.hashtextextended(row(${all})::pg_catalog.text collate pg_catalog."C", 0)::pg_catalog.numeric`
  const query = `select pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(${hashed})) from only ${qualify(place.schema, name)}`
  await home.run('set local role none')
  await pinSettings(home)
  const [row] = await readInRoom(home, roomOf(place), query, 'digest pg_catalog.text')
  await pinSettings(home)
  return String(row?.digest)
}
