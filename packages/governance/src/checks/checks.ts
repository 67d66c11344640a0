import {
  type CheckFinding,
  type CheckMeasure,
  type CheckPlace,
  type OptionNames,
  requireKnownOptions,
  type TenancyCheck,
} from '@org/core'
import { parseControlSchema } from '../control/control-schema.ts'
import { invalidOption } from '../input/input.ts'
import type { PersonalData } from '../privacy/personal-data.ts'
import { auditFindings, auditMeasures } from './audit.ts'
import { jobFindings } from './jobs.ts'
import { otherServerFindings } from './other-server.ts'
import { outboxFindings, outboxMeasures } from './outbox.ts'
import { eventFindings, personalFindings, unfinishedErasures } from './privacy.ts'
import { retentionFindings } from './retention.ts'
import { rightsFindings } from './rights.ts'
import { usageFindings } from './usage.ts'
import { versionFindings } from './versions.ts'

export interface GovernanceCheckOptions {
  /** As everything was installed (default `governance`). */
  readonly controlSchema?: string | undefined
  /** What is personal, made by `personalData`: columns of tenants' tables that are not declared are found (default: not looked at). */
  readonly personalData?: PersonalData | undefined
}

const NAMES: OptionNames<GovernanceCheckOptions> = { controlSchema: true, personalData: true }

type Finds = (place: CheckPlace, schema: string) => Promise<readonly CheckFinding[]>
type Measures = (place: CheckPlace, schema: string) => Promise<readonly CheckMeasure[]>

/** Each by itself, so that one which cannot be carried out does not hide the others. */
const FINDS: Readonly<Record<string, { readonly examine: Finds; readonly measure?: Measures }>> = {
  versions: { examine: versionFindings },
  rights: { examine: rightsFindings },
  positions: { examine: otherServerFindings },
  audit: { examine: auditFindings, measure: auditMeasures },
  outbox: { examine: outboxFindings, measure: outboxMeasures },
  usage: { examine: usageFindings },
  jobs: { examine: jobFindings },
  retention: { examine: retentionFindings },
  erasures: { examine: unfinishedErasures },
}

/**
 * What can be wrong with the tables of this package, for `doctor`, and what is to be done about before it hurts, for `advise`.
 * Of what is not installed nothing is said.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { governanceChecks } from '@org/governance/checks'
 * import { createTenancy } from '@org/pg-tenant'
 *
 * const tenancy = createTenancy({ pool, adminPool, checks: governanceChecks() })
 * const { findings } = await tenancy.doctor() // AUDIT_PARTITIONS_MISSING, OUTBOX_DEAD_LETTERS, …
 * ```
 */
export function governanceChecks(options: GovernanceCheckOptions = {}): readonly TenancyCheck[] {
  requireKnownOptions(options, NAMES)
  const schema = parseControlSchema(options.controlSchema)
  const { personalData } = options
  if (personalData !== undefined && !(personalData?.tables instanceof Map))
    throw invalidOption('personalData', 'made by personalData')
  const checks = Object.entries(FINDS).map(
    ([name, { examine, measure }]): TenancyCheck => ({
      name: `governance.${name}`,
      examine: (place) => examine(place, schema),
      ...(measure && { measure: (place: CheckPlace) => measure(place, schema) }),
    }),
  )
  if (personalData === undefined) return checks
  return [
    ...checks,
    { name: 'governance.personal', examine: (place) => personalFindings(place, personalData) },
    { name: 'governance.events', examine: (place) => eventFindings(place, schema, personalData) },
  ]
}
