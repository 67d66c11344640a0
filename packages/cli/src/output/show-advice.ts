import type { Advice } from '@org/pg-tenant'
import { commandsForCalls } from './commands-for-calls.ts'
import type { Output, Style } from './output.ts'
import { safeText } from './safe-text.ts'

const STYLE = { critical: 'red', warning: 'yellow', notice: 'dim' } as const satisfies Record<string, Style>

/** Each with what to do about it. */
export function showAdvice(advice: readonly Advice[], output: Output): void {
  for (const { severity, id, message, action } of advice) {
    output.data(`${output.paint(STYLE[severity], severity.padEnd(8))} ${id}  ${safeText(message)}`)
    output.data(`         ${output.paint('dim', safeText(commandsForCalls(action)))}`)
  }
}
