import axe from 'axe-core'
import type { Page } from 'playwright-core'

const RUN = `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
  violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => id + ' at ' + target.join(' '))))`

/** What is wrong with a page for people who cannot see, point or tell colours apart: axe-core's rules (WCAG 2, best practices). */
export async function barriers(page: Page): Promise<string[]> {
  // By the debugger, which the page's policy does not bind.
  await page.evaluate(axe.source)
  return await page.evaluate<string[]>(RUN)
}
