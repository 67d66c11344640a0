import type { CheckFinding, TenantKey } from '@org/core'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { placeOf, runCheck } from '../stats/brought-checks.ts'
import type { Collected } from './collected.ts'
import type { Look } from './read-only.ts'

/** One that cannot be carried out is a finding; the others are carried out all the same. */
export async function runBroughtChecks(
  look: Look,
  lifecycle: Lifecycle,
  collected: Collected,
  home?: { readonly key: string; readonly database: string },
): Promise<void> {
  const place = placeOf(look, lifecycle, home?.key as TenantKey | undefined)
  const told = (finding: CheckFinding): CheckFinding =>
    home === undefined
      ? finding
      : {
          ...finding,
          subject: `${home.database}: ${finding.subject}`,
          message: `Database ${home.database}: ${finding.message}`,
        }
  for (const check of lifecycle.checks ?? []) {
    const found = await runCheck(look, check, () => check.examine?.(place))
    for (const finding of [found].flat()) collected.add(told(finding))
  }
}
