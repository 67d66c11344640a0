import type { CheckFinding, CheckPlace } from '@org/core'
import { qualify } from '../sql/identifier.ts'
import { PARTS } from './parts.ts'
import { areThere } from './there.ts'

/** @internal Parts whose tables are older or newer than this release. */
export async function versionFindings(place: CheckPlace, schema: string): Promise<readonly CheckFinding[]> {
  if (!(await areThere(place, schema, 'governance_version'))) return []
  const { rows } = await place.query<{ part: string; version: number }>(
    `select part, max(version)::int as version from ${qualify(schema, 'governance_version')} group by part order by part`,
  )
  return rows.flatMap(({ part, version }): CheckFinding[] => {
    const known = PARTS[part]
    if (known === undefined || known.steps === version) return []
    const about = { subject: `${schema}.governance_version` }
    const { install } = known
    if (version > known.steps) {
      const message = `The tables of ${part} were made by a newer release.`
      return [
        {
          ...about,
          code: 'GOVERNANCE_NEWER',
          severity: 'error',
          message,
          fix: 'Deploy that release here too.',
        },
      ]
    }
    const message = `The tables of ${part} are of an older release: ${known.steps - version} steps are missing.`
    const where =
      place.tenant === undefined
        ? `Run ${install}(admin).`
        : `Run ${install} in it (provision(key) with onProvision does).`
    return [{ ...about, code: 'GOVERNANCE_OUTDATED', severity: 'error', message, fix: where }]
  })
}
