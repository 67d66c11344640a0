// @module-tag sampled
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { barriers } from './support/axe.ts'
import { chromiumProgram } from './support/browser.ts'
import { type Desk, openDesk } from './support/desk.ts'
import { useWorld } from './support/world.ts'

const program = chromiumProgram()
const soon = (look: () => Promise<unknown>) => expect.poll(look)
const NARROW = { width: 360, height: 740 }

/** What went on in `acme`: a delivery that failed, an event that died, and some use. */
async function past({ root, hub, send }: ReturnType<typeof useWorld>, token: string): Promise<void> {
  const body = { url: 'https://hooks.acme.example/in', events: ['*'] }
  const made = await send('POST', '/v1/webhooks', { token, body })
  expect(made.status, made.text).toBe(201)
  const tried = await send('POST', `/v1/webhooks/${made.body.data.webhook.id}/test`, { token })
  expect(tried.status, tried.text).toBe(202)
  await hub.inTenant('acme' as never, (db) =>
    db.query(`update webhook_delivery set status = 'failed', attempts = 8, response_status = 503`),
  )
  const { rows } = await root.query<{ schema: string }>(
    `select relnamespace::regnamespace::text as schema from pg_class where relname = 'outbox_dead'`,
  )
  const [{ schema = '' } = {}] = rows
  await root.query(`insert into ${schema}.outbox_dead (id, tenant, type, payload, attempts, reason, published_at)
    select gen_random_uuid(), 'acme', 'user.created', '{}', 12, 'HANDLER_FAILED', now() from generate_series(1, 2)`)
  await root.query(`insert into ${schema}.usage_metrics (tenant, tool_action, period_start, period_end, count)
    select 'acme', 'identity.users.create', day, day + interval '1 day', 5 from unnest(array[
      date_trunc('day', now(), 'UTC'), date_trunc('day', now(), 'UTC') - interval '3 days']) as day`)
}

// The slow set; what kinds of checks there are is also in admin.test.ts.
describe.skipIf(program === undefined || !process.env.TEST_SLOW)(
  'the administration page, day by day',
  () => {
    const world = useWorld()
    let desk: Desk
    const row = (key: string) => desk.page.locator(`tr[data-key="${key}"]`)
    const status = () => desk.page.locator('#message').textContent()
    /** What has the focus, as people would name it. */
    const focused = () =>
      desk.page.evaluate<string>(
        'document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent.trim()',
      )

    beforeAll(async () => {
      const { token } = await world.onboard('acme')
      await past(world, token)
      desk = await openDesk(program ?? '', world)
    })
    afterAll(() => desk?.close())

    it('is where the hub’s address leads', async () => {
      await desk.page.goto(desk.base)
      await desk.page.getByRole('heading', { name: 'Sign in' }).waitFor()
      expect(desk.page.url()).toBe(`${desk.base}/admin`)
      expect(await barriers(desk.page)).toEqual([])
    })

    it('goes on after a reload, and not after signing out', async () => {
      await desk.signIn()
      await desk.page.reload()
      await row('acme').waitFor()
      await desk.page.reload()
      await row('acme').waitFor()
      await desk.page.getByRole('button', { name: 'Sign out' }).click()
      await soon(status).toBe('You are signed out.')
      await desk.page.reload()
      await desk.page.getByRole('heading', { name: 'Sign in' }).waitFor()
      expect(await row('acme').count()).toBe(0)
    })

    it('signs out also where the hub cannot be told', async () => {
      await desk.signIn()
      await desk.stop()
      await desk.page.getByRole('button', { name: 'Sign out' }).click()
      await soon(status).toMatch(/^You are signed out here\./)
      await desk.start()
      await desk.page.reload()
      await desk.page.getByRole('heading', { name: 'Sign in' }).waitFor()
      expect(await row('acme').count()).toBe(0)
    })

    it('says in words that the hub is not there, keeps what was on the page, and goes on when it is back', async () => {
      await desk.signIn()
      await desk.stop()
      await desk.page.getByRole('button', { name: 'Search' }).click()
      await soon(status).toMatch(/^The hub does not answer\./)
      expect(await row('acme').isVisible()).toBe(true)
      await desk.start()
      await desk.page.getByLabel('Key or name').fill('acme')
      await desk.page.keyboard.press('Enter')
      await soon(() => row('platform').count()).toBe(0)
      expect(await status()).toBe('')
    })

    it('by keyboard alone: suspends with Enter, leaves with Escape, and the focus is where it was', async () => {
      const suspend = desk.page.getByRole('button', { name: 'Suspend Tenant acme' })
      await suspend.focus()
      await desk.page.keyboard.press('Enter')
      await desk.page.getByLabel('Reason, for operators only').waitFor()
      await desk.page.keyboard.type('a while')
      await desk.page.keyboard.press('Escape')
      await soon(focused).toBe('Suspend Tenant acme')
      // The browser gives the focus back before the page has noted that the dialog is closed.
      await soon(() => row('acme').locator('.toggle').getAttribute('aria-busy')).toBe(null)
      expect(await row('acme').locator('.status').textContent()).toBe('active')

      await desk.page.keyboard.press('Enter')
      await desk.page.getByLabel('Reason, for operators only').waitFor()
      await desk.page.keyboard.press('Enter')
      expect(await row('acme').locator('.status').textContent(), 'no reason was given').toBe('active')
      await desk.page.keyboard.type('unpaid')
      await desk.page.keyboard.press('Enter')
      await soon(() => row('acme').locator('.status').textContent()).toBe('suspended')
      expect(await row('acme').locator('.reason').textContent()).toBe('unpaid')
      expect(await world.hub.tenancy.find('acme')).toMatchObject({ status: 'suspended' })
      await soon(focused).toBe('Resume Tenant acme')
      await soon(() => row('acme').locator('.toggle').getAttribute('aria-busy')).toBe(null)
      await desk.page.keyboard.press('Enter')
      await soon(() => row('acme').locator('.status').textContent()).toBe('active')
    })

    it('creates a tenant, shows the invitation once, and says what was refused without losing what was filled in', async () => {
      await desk.page.getByRole('button', { name: 'Create a tenant' }).click()
      const dialog = desk.page.getByRole('dialog')
      await dialog.getByLabel('Key').fill('acme')
      await dialog.getByLabel('Name', { exact: true }).fill('Initech')
      await dialog.getByLabel('Package').selectOption('essentials')
      await dialog.getByLabel('Administrator’s address').fill('bill@initech.example')
      await dialog.getByLabel('Administrator’s name').fill('Bill')
      expect(await barriers(desk.page)).toEqual([])
      await desk.page.keyboard.press('Enter')
      await soon(() => dialog.getByRole('alert').textContent()).not.toBe('')
      expect(await dialog.getByLabel('Administrator’s name').inputValue()).toBe('Bill')

      await dialog.getByLabel('Key').fill('initech')
      await dialog.getByRole('button', { name: 'Create', exact: true }).click()
      await desk.page.getByRole('heading', { name: 'The tenant is there' }).waitFor()
      const token = (await desk.page.locator('output').textContent()) ?? ''
      await desk.page.keyboard.press('Enter')
      await row('initech').waitFor()
      expect(await desk.page.content()).not.toContain(token)
      const password = 'a password of sixteen'
      const signedIn = await world.send('POST', '/v1/auth/invitation', {
        tenant: 'initech',
        body: { token, password },
      })
      expect(signedIn.status).toBe(200)
    })

    it('makes one tenant of two attempts when the answer to the first was lost', async () => {
      let lost = 0
      await desk.page.route('**/v1/tenants', async (route) => {
        if (route.request().method() !== 'POST' || lost++ > 0) return await route.continue()
        await route.fetch()
        await route.abort()
      })
      await desk.page.getByRole('button', { name: 'Create a tenant' }).click()
      const dialog = desk.page.getByRole('dialog')
      await dialog.getByLabel('Key').fill('umbrella')
      await dialog.getByLabel('Name', { exact: true }).fill('Umbrella')
      await dialog.getByLabel('Administrator’s address').fill('ada@umbrella.example')
      await dialog.getByLabel('Administrator’s name').fill('Ada')
      await desk.page.keyboard.press('Enter')
      await soon(() => dialog.getByRole('alert').textContent()).toMatch(/^The hub does not answer/)
      await dialog.getByRole('button', { name: 'Create', exact: true }).click()
      await row('umbrella').waitFor()
      await desk.page.unroute('**/v1/tenants')
      await desk.page.keyboard.press('Escape')
      expect(lost).toBe(2)
    })

    it('shows deliveries and sends one again', async () => {
      await desk.page.getByRole('button', { name: 'Open Tenant acme' }).click()
      const deliveries = desk.page.locator('#deliveries')
      await soon(() => deliveries.locator('.status').textContent()).toBe('failed')
      await deliveries.getByRole('button', { name: /^Redeliver webhook\.test/ }).click()
      await soon(() => deliveries.locator('.status').textContent()).toBe('pending')
      expect(await desk.page.locator('#settings').textContent()).toBe('No setting has been made.')
    })

    it('draws what was used, and has the figures beside', async () => {
      const drawn = desk.page.locator('#usage [role=img]')
      await soon(() => drawn.getAttribute('aria-label')).toMatch(/: 10 in all, at most 5$/)
      await desk.page.getByText('The figures').click()
      expect(await desk.page.locator('#usage tbody tr').count()).toBe(2)
      expect(await barriers(desk.page)).toEqual([])
    })

    it('shows who did what, and whether it is as it was written', async () => {
      const audit = desk.page.locator('#audit')
      await soon(() => audit.textContent()).toContain('account.webhooks.create')
      await audit.getByRole('button', { name: 'Verify the audit log' }).click()
      await soon(() => audit.locator('[role=status]').textContent()).toMatch(/^As it was written: /)
    })

    it('shows how full the cluster is', async () => {
      // The hub may have been stopped before it had answered that.
      await desk.page.reload()
      const cells = desk.page.locator('#clusters-list tbody td')
      await soon(() => cells.count()).toBe(7)
      expect(await cells.nth(0).textContent()).toBe('default')
      expect(await cells.nth(5).textContent()).toMatch(/^ \d+ of \d+$/)
      const meter = desk.page.getByLabel('Connections of default')
      expect(Number(await meter.getAttribute('value'))).toBeGreaterThan(0)
    })

    it('shows dead letters, tries one again and discards one', async () => {
      const letters = desk.page.locator('#letters')
      expect(await letters.locator('tbody tr').count()).toBe(2)
      await letters
        .getByRole('button', { name: /^Discard/ })
        .first()
        .click()
      await desk.page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
      expect(await letters.locator('tbody tr').count()).toBe(2)
      await letters
        .getByRole('button', { name: /^Discard/ })
        .first()
        .click()
      await desk.page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click()
      await soon(() => letters.locator('tbody tr').count()).toBe(1)
      await letters.getByRole('button', { name: /^Try again/ }).click()
      await soon(() => letters.textContent()).toContain('There are no dead letters.')
    })

    it('fits a telephone: nothing is off the screen, and everything can be read', async () => {
      const page = desk.page
      await page.setViewportSize(NARROW)
      await page.getByRole('button', { name: 'Open Tenant acme' }).click()
      await soon(() => page.locator('#deliveries .status').count()).toBe(1)
      const off = await page.evaluate<string[]>(`[...document.querySelectorAll('body *')]
      .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('thead'))
      .map((one) => one.tagName + ' ' + one.textContent.slice(0, 30))`)
      expect(off).toEqual([])
      expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBe(NARROW.width)
      expect(await barriers(page)).toEqual([])
      await page.getByRole('button', { name: 'Suspend Tenant acme' }).click()
      await page.getByLabel('Reason, for operators only').fill('unpaid')
      await page.keyboard.press('Enter')
      await soon(() => row('acme').locator('.status').textContent()).toBe('suspended')
    })

    it('says in its place what cannot be shown of a tenant, and shows the rest', async () => {
      await desk.page.route('**/deliveries?*', (route) => route.abort())
      await desk.page.getByRole('button', { name: 'Open Tenant acme' }).click()
      await soon(() => desk.page.locator('#deliveries').textContent()).toMatch(/^The hub does not answer/)
      await soon(() => desk.page.locator('#audit tbody tr').count()).toBeGreaterThan(0)
    })

    it('has a reference that everybody can read, wide and narrow', async () => {
      for (const width of [1_100, NARROW.width]) {
        await desk.page.setViewportSize({ width, height: 900 })
        await desk.page.goto(`${desk.base}/reference`)
        await desk.page.getByText('Create a tenant with its package and administrator').waitFor()
        await soon(() => barriers(desk.page)).toEqual([])
      }
    })

    it('asked nobody else, and broke no rule of its policy', () => {
      expect(desk.requests.filter((url) => !url.startsWith(desk.base) && !url.startsWith('data:'))).toEqual(
        [],
      )
      expect(desk.complaints).toEqual([])
    })
  },
)
