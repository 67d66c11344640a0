import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { barriers } from './support/axe.ts'
import { chromiumProgram, openBrowser } from './support/browser.ts'
import { PASSWORD, useWorld } from './support/world.ts'

const program = chromiumProgram()
const soon = (look: () => Promise<unknown>) => expect.poll(look)

// CI installs Debian's chromium; where there is none, the page is not tested, and the run says so.
describe.skipIf(program === undefined)('the administration page, in Chromium', () => {
  const world = useWorld()
  let browser: Browser
  let page: Page
  const complaints: string[] = []
  const requests: string[] = []

  beforeAll(async () => {
    browser = await openBrowser(program ?? '')
    page = await (await browser.newContext({ viewport: { width: 1_100, height: 900 } })).newPage()
    page.setDefaultTimeout(60_000)
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
    page.on('request', (request) => requests.push(request.url()))
    await world.onboard('acme')
    await world.onboard('globex')
    await world.hub.inTenant('acme' as never, (db) =>
      world.hub.settings.setMany(db, {
        'smtp.host': 'mail.acme.example',
        'smtp.password': 'hunter2-hunter2',
      }),
    )
  })
  afterAll(() => browser?.close())

  const row = (key: string) => page.locator(`tr[data-key="${key}"]`)

  it('refuses a wrong password, and says so to screen readers', async () => {
    await page.goto(`${world.base}/admin`)
    await page.getByLabel('E-mail').fill('operator@example.com')
    await page.getByRole('textbox', { name: 'Password', exact: true }).fill('not the password')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await soon(() => page.getByRole('status').textContent()).toBe('The e-mail or the password is not right.')
    complaints.length = 0
  })

  it('signs in and shows the tenants with status, size and version', async () => {
    await page.getByRole('textbox', { name: 'Password', exact: true }).fill(PASSWORD)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await row('acme').waitFor()
    expect(await page.locator('#tenants tbody tr').count()).toBe(3)
    expect(await row('acme').locator('.status').textContent()).toBe('active')
    expect(await row('acme').locator('.size').textContent()).toMatch(/^\d+(\.\d)? (B|kB|MB)$/)
    expect(await row('acme').locator('.version').textContent()).not.toBe('–')
    expect(await row('platform').locator('.toggle').isVisible()).toBe(false)
    expect(await barriers(page)).toEqual([])
  })

  it('suspends with a reason, at once, and resumes', async () => {
    const { token } = await world.onboard('initech')
    await page.getByRole('button', { name: 'Search' }).click()
    await row('initech').waitFor()
    await page.getByRole('button', { name: 'Suspend Tenant initech' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    expect((await world.send('GET', '/v1/users', { token })).status).toBe(200)

    await page.getByRole('button', { name: 'Suspend Tenant initech' }).click()
    await page.getByLabel('Reason, for operators only').fill('unpaid')
    await page.getByRole('dialog').getByRole('button', { name: 'Suspend' }).click()
    await page.getByRole('button', { name: 'Resume Tenant initech' }).waitFor()
    expect((await world.send('GET', '/v1/users', { token })).status).toBe(403)

    await page.getByRole('button', { name: 'Resume Tenant initech' }).click()
    await page.getByRole('button', { name: 'Suspend Tenant initech' }).waitFor()
    expect((await world.send('GET', '/v1/users', { token })).status).toBe(200)
  })

  it('spells out who can what, and masks secrets', async () => {
    await page.getByRole('button', { name: 'Open Tenant acme' }).click()
    await page.getByRole('heading', { name: 'Tenant acme' }).waitFor()
    await page.getByRole('combobox', { name: 'Action' }).selectOption('catalog.tools.create')
    await page.getByRole('button', { name: 'Explain' }).click()
    await soon(() => page.locator('.verdict').textContent()).toMatch(/^Denied: /)
    expect(await page.locator('#explanation li.missing').count()).toBeGreaterThan(0)
    await page.getByRole('combobox', { name: 'Action' }).selectOption('identity.users.create')
    await page.getByRole('button', { name: 'Explain' }).click()
    await soon(() => page.locator('.verdict').textContent()).toMatch(/^Allowed: /)
    expect(await page.locator('#settings').textContent()).toContain('mail.acme.example')
    expect(await page.content()).not.toContain('hunter2')
    if (process.env.SCREENSHOT) {
      await page.screenshot({ path: fileURLToPath(new URL('../admin.png', import.meta.url)), fullPage: true })
    }
  })

  it('shows what a tenant wrote as text, never as markup', async () => {
    await world.send('PATCH', '/v1/tenants/globex', {
      token: world.operator,
      body: { name: '<img src=x onerror=alert(1)>' },
    })
    await page.getByRole('button', { name: 'Search' }).click()
    await soon(() => row('globex').locator('.name').textContent()).toBe('<img src=x onerror=alert(1)>')
    expect(await page.locator('img').count()).toBe(0)
  })

  it('can be used by keyboard alone, and labels everything', async () => {
    // Text, as this project's compiler knows no DOM.
    const unnamed =
      await page.evaluate(`[...document.querySelectorAll('button, input, select')].filter((one) => {
      const label = one.matches('button') ? one.textContent : one.closest('label')?.textContent
      return !(label ?? '').trim() && !one.getAttribute('aria-label') && one.checkVisibility()
    }).length`)
    expect(unnamed).toBe(0)
    await page.getByLabel('Key or name').focus()
    await page.keyboard.type('acme')
    await page.keyboard.press('Enter')
    await soon(() => page.locator('#tenants tbody tr').count()).toBe(1)
  })

  it('signs out: the tokens are worth nothing any more', async () => {
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    expect(await page.locator('#tenants').isVisible()).toBe(false)
  })

  it('needs nothing from elsewhere and breaks no rule of its policy', () => {
    expect(requests.filter((url) => !url.startsWith(world.base) && !url.startsWith('data:'))).toEqual([])
    expect(complaints).toEqual([])
  })
})
