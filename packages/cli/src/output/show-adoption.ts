import type { Adoption, AdoptionFinding } from '@org/pg-tenant'
import { commandsForCalls } from './commands-for-calls.ts'
import { plural } from './format.ts'
import type { Output } from './output.ts'
import { safeText } from './safe-text.ts'

/** How many findings keep it from being adopted. */
export const inTheWay = ({ findings }: Pick<Adoption, 'findings'>): number =>
  findings.filter(({ severity }) => severity === 'error').length

/** What an adoption came to, in a sentence, with what to do next. */
export function summary({
  tenant,
  schema,
  adopted,
  baseline,
  baselineFrom,
  objects,
  earlierOwners,
  findings,
}: Adoption): string {
  if (!adopted) {
    const errors = inTheWay({ findings })
    return errors > 0
      ? `${plural(errors, 'thing')} in the way of ${tenant}.`
      : `${schema} can be adopted as ${tenant}.`
  }
  const owners =
    earlierOwners.length > 0 ? `Earlier owners (${earlierOwners.join(', ')}) go on as before. ` : ''
  return (
    `${schema} is ${tenant} now: ${plural(objects, 'object')}${baselineFrom === 'ledger' ? '' : `, migrations up to ${baseline ?? 'none'}`}. ` +
    `${owners}Next: pg-tenant adopt ${tenant} --confirm, or --undo`
  )
}

const STYLES = { error: 'red', warning: 'yellow', notice: 'dim' } as const

/** Each finding with what mends it. */
export function showFindings(
  findings: readonly AdoptionFinding[],
  output: Output,
  whose = '',
  said = new Set<string>(),
): void {
  for (const { code, severity, message, fix } of findings) {
    const text = safeText(`${whose === '' ? '' : `${whose}: `}${code}: ${commandsForCalls(message)}`)
    output.data(`${output.paint(STYLES[severity], severity.padEnd(7))} ${text}`)
    // What mends it for all of them is the same sentence three hundred times.
    if (!fix || said.has(fix)) continue
    said.add(fix)
    output.data(`        ${safeText(commandsForCalls(fix))}`)
  }
}
