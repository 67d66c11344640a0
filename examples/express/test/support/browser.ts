import { findProgram } from '@org/pg-testing'
import { type Browser, chromium } from 'playwright-core'

/** The program, or `undefined` where none is installed; `CHROMIUM` names another. */
export const chromiumProgram = (): string | undefined =>
  findProgram('chromium', process.env.CHROMIUM ?? 'chromium-browser', 'google-chrome')

export function openBrowser(executablePath: string): Promise<Browser> {
  // Without its sandbox it also runs as root, as in CI; it only ever sees our own page.
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
}
