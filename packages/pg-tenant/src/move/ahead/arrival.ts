import { type AdminClient, begin, pinSettings } from '../../archive/client.ts'
import { holdMarker, type Place } from '../../archive/place.ts'
import { setUsage } from '../../lifecycle/tenant-schema.ts'
import { changedMeanwhile } from '../../registry/arrival.ts'

/** A copy in the cluster the tenant goes to, out of service. */
export interface Arrival {
  /** A connection of the administrator to the database that holds it. */
  readonly home: AdminClient
  readonly place: Place
  /** Which one it is: somebody who has taken the move over makes another of the same name. */
  readonly made: string
}

export async function arrivalOf(home: AdminClient, place: Place): Promise<Arrival> {
  const [found] = await home.run('select $1::pg_catalog.regclass::pg_catalog.oid as made', [place.marker])
  return { home, place, made: String(found?.made) }
}

const STANDING = `select has_schema_privilege($1::name, $2::text, 'usage'::text) as usage, $3::regclass::oid as made`

/**
 * One transaction in a copy, which is left out of service.
 *
 * @throws TenancyError CONFLICT when it is another one by now
 */
export async function inArrival({ home, place, made }: Arrival, fn: () => Promise<unknown>): Promise<void> {
  const { owner = '', schema, tenant } = place
  await begin(home, 'read committed read write')
  try {
    await holdMarker(home, place)
    const [found] = await home.run(STANDING, [owner, schema, place.marker])
    // guard: whoever was away for long does not write into the copy of who has gone on
    if (String(found?.made) !== made) throw changedMeanwhile(tenant)
    if (found?.usage !== true) await setUsage(home, schema, [owner], true)
    await pinSettings(home)
    await fn()
    if (found?.usage !== true) await setUsage(home, schema, [owner], false)
  } catch (error) {
    // Whoever takes the copy down would wait for its locks.
    await home.run('rollback').catch(() => {})
    throw error
  }
  await home.run('commit')
}
