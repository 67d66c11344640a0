import { numbersOf } from '../catalog/define.ts'
import type { Catalog } from '../catalog/model.ts'
import type { Compiled } from '../compile/compiled.ts'
import { isLive, numbersOfPackage, termOf } from '../compile/entitlement.ts'
import type { AssignedPackage } from '../snapshot/model.ts'
import { readable, type Step, step } from './step.ts'

/** The links of entitlement: an override where there is one, else the tenant's packages. */
export function entitlementSteps(compiled: Compiled, number: number, at: number): Step[] {
  const { catalog, snapshot } = compiled
  const override = (effect: 'allow' | 'deny') =>
    snapshot.overrides?.find(
      (one) => one.effect === effect && numbersOf(catalog.index, one.target).includes(number),
    )
  const denied = override('deny')
  if (denied) return [step('override', false, 'OVERRIDE_DENIES', { target: denied.target })]
  const entitling = packageStep(compiled, number, at)
  const allowed = entitling.ok ? undefined : override('allow')
  return allowed ? [step('override', true, 'OVERRIDE_ALLOWS', { target: allowed.target })] : [entitling]
}

function packageStep({ catalog, snapshot }: Compiled, number: number, at: number): Step {
  const holding = snapshot.packages.filter((one) => numbersOfPackage(catalog.index, one).includes(number))
  const live = longest(holding.filter((one) => one.status === 'active' && isLive(term(one), at)))
  if (live) {
    const { until } = term(live)
    return Number.isFinite(until)
      ? step('package', true, 'PACKAGE_ENTITLES_UNTIL', { package: live.key, at: readable(until) })
      : step('package', true, 'PACKAGE_ENTITLES', { package: live.key })
  }
  return missing(holding, at) ?? offered(catalog, number)
}

/** The package that comes nearest: one that has expired, one yet to begin, one suspended. */
function missing(holding: readonly AssignedPackage[], at: number): Step | undefined {
  const active = holding.filter(({ status }) => status === 'active')
  const expired = longest(active.filter((one) => at >= term(one).until))
  if (expired) {
    return step('package', false, 'PACKAGE_EXPIRED', {
      package: expired.key,
      at: readable(term(expired).until),
    })
  }
  const waiting = active.find((one) => Number.isFinite(term(one).from))
  if (waiting) {
    const names = { package: waiting.key, at: readable(term(waiting).from) }
    return step('package', false, 'PACKAGE_NOT_STARTED', names)
  }
  const suspended = holding[0]
  return suspended && step('package', false, 'PACKAGE_SUSPENDED', { package: suspended.key })
}

function offered({ packages, index }: Catalog, number: number): Step {
  const keys = Object.keys(packages).filter((key) => index.numbersOfPackage.get(key)?.includes(number))
  return keys.length > 0
    ? step('package', false, 'PACKAGE_MISSING', { packages: keys.join(', ') })
    : step('package', false, 'PACKAGE_NONE')
}

const term = ({ assignedAt, expiresAt }: AssignedPackage) => termOf(assignedAt, expiresAt)

/** The one that lasts longest. */
function longest(packages: readonly AssignedPackage[]): AssignedPackage | undefined {
  return packages.toSorted((a, b) => (term(a).until < term(b).until ? 1 : -1))[0]
}
