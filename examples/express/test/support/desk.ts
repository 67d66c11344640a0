import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'
import { createApp } from '../../src/app.ts'
import { openBrowser } from './browser.ts'
import { PASSWORD, type World } from './world.ts'

/** The administration page in a browser, before a hub that can be stopped and started again. */
export interface Desk {
  readonly page: Page
  /** The hub's address, the same after it was stopped. */
  readonly base: string
  /** What the page asked for. */
  readonly requests: readonly string[]
  /** What its scripts failed with, and what its policy refused. */
  readonly complaints: readonly string[]
  signIn(): Promise<void>
  stop(): Promise<void>
  start(): Promise<void>
  close(): Promise<void>
}

export async function openDesk(
  program: string,
  world: World,
  viewport = { width: 1_100, height: 900 },
): Promise<Desk> {
  const app = createApp(world.hub)
  let server: Server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const base = `http://127.0.0.1:${port}`
  const browser: Browser = await openBrowser(program)
  const page = await (await browser.newContext({ viewport })).newPage()
  page.setDefaultTimeout(60_000)
  const requests: string[] = []
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    // That an answer was a refusal, or none came, the browser says by itself.
    if (message.type() === 'error' && !/^Failed to load resource/.test(message.text())) {
      complaints.push(message.text())
    }
  })
  page.on('request', (request) => requests.push(request.url()))
  const stop = async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  return {
    page,
    base,
    requests,
    complaints,
    signIn: async () => {
      await page.goto(`${base}/admin`)
      await page.getByRole('textbox', { name: 'E-mail' }).fill('operator@example.com')
      await page.getByRole('textbox', { name: 'Password', exact: true }).fill(PASSWORD)
      await page.keyboard.press('Enter')
      await page.locator('tr[data-key="platform"]').waitFor()
    },
    stop,
    start: async () => {
      server = app.listen(port, '127.0.0.1')
      await once(server, 'listening')
    },
    close: async () => {
      await browser.close()
      if (server.listening) await stop()
    },
  }
}
