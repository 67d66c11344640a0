import { randomBytes } from 'node:crypto'
import { keyRing } from '@org/crypto'
import { startReceiver } from '@org/example-express/test/receiver'
import { createApp } from '@org/example-hono/app'
import { postOffice } from '@org/example-hono/mail'
import { serveApp } from '@org/example-hono/server'
import { siteSettings } from '@org/example-hono/settings'
import { type OpenTenancy, openTenancy } from '@org/example-hono/tenancy'
import type { IsolationLevel } from '@org/pg-tenant'
import { showAudit, showErasure, showOnceAndLimits } from './accountability.ts'
import { Claims } from './claims.ts'
import { sayWhatIsNotStopped, showCodeAttempts } from './code-attempts.ts'
import { type LocalDatabase, startDatabase } from './database.ts'
import { type Answers, showEvents } from './events.ts'
import { showExplanation, showSuspension } from './governance.ts'
import { showHttpAttempts } from './http-attempts.ts'
import { type DemoHub, startHub } from './hub.ts'
import { type Observer, openObserver } from './observer.ts'
import { showObviousHelper } from './obvious-helper.ts'
import { bold, duration, heading } from './print.ts'
import { catchMail, showSecret } from './secret.ts'
import { showTraffic } from './traffic.ts'

const TENANTS = ['acme', 'globex']
const CONNECTIONS = 4

/** The whole demonstration; cleans up whatever happens. */
export async function runDemo(isolation: IsolationLevel): Promise<Claims> {
  const claims = new Claims()
  console.log(`\n${bold('A hub that governs tenants, a site that serves them, one PostgreSQL')}`)
  const started = performance.now()
  const database = await startDatabase()
  try {
    heading(1, 'A database and two roles')
    const took = duration(performance.now() - started)
    claims.check(
      true,
      `PostgreSQL ${database.version}, ${database.source}, gone when this ends`,
      `ready in ${took}`,
    )
    const observer = await openObserver(database.superuserUrl)
    await using(observer, () => showAll(database, observer, isolation, claims))
  } finally {
    await database.stop()
  }
  return claims
}

async function showAll(
  database: LocalDatabase,
  observer: Observer,
  isolation: IsolationLevel,
  claims: Claims,
): Promise<void> {
  const fault = await observer.findFaultInRoles()
  claims.check(
    fault === null,
    'notes_app serves requests, notes_admin adds tenants',
    fault ?? 'neither is a superuser',
  )
  const answers: Answers = new Map()
  const receiver = await startReceiver((sent) => answers.get(sent.path)?.(sent) ?? 404)
  await using(receiver, async () => {
    const hub = await startHub(database, isolation, receiver.port)
    const { url, adminUrl } = database
    await using(hub, async () => {
      const site = await openTenancy({ url, adminUrl, connections: CONNECTIONS, isolation })
      await using(site, () => showTenants(database, observer, hub, site, claims))

      heading(9, 'Whoever asked is told, whatever fails')
      const tenant = await showEvents({ hub, receiver, answers, claims })
      const scene = { hub, tenant, observer, claims }

      heading(10, 'Who did what, and whether the record is true')
      await showAudit(scene)

      heading(11, 'Done once, within the plan')
      await showOnceAndLimits(scene)

      heading(12, 'Somebody is forgotten')
      await showErasure(scene)
    })
  })
}

async function showTenants(
  database: LocalDatabase,
  observer: Observer,
  hub: DemoHub,
  { tenancy, pool, control }: OpenTenancy,
  claims: Claims,
): Promise<void> {
  heading(2, 'The hub makes two tenants')
  const people = []
  for (const tenant of TENANTS) {
    const started = performance.now()
    const made = await hub.onboard(tenant)
    people.push(made)
    const took = duration(performance.now() - started)
    claims.check(made.status === 201, `POST /v1/tenants: ${tenant}, its tables and people`, took)
  }
  const [ana = never()] = people
  const settings = siteSettings(keyRing({ key: randomBytes(32).toString('hex') }))
  const { passwords, send } = catchMail()
  const credentials = { siteKey: randomBytes(32).toString('hex'), verifier: hub.verifier }
  const logged: object[] = []
  const log = (record: object) => void logged.push(record)
  const server = await serveApp(createApp({ tenancy, settings, credentials, log }))
  const post = postOffice({ tenancy, control }, { settings, send, log })
  post.start()
  const api = { port: server.port, siteKey: credentials.siteKey }
  await using({ close: () => server.close().then(() => post.stop()) }, async () => {
    heading(3, 'The site serves both at once, over HTTP')
    await showTraffic(api, TENANTS, CONNECTIONS, claims)

    heading(4, 'Attempts to cross')
    await showHttpAttempts(api, ana.token, claims)
    const before = await observer.fingerprint(TENANTS)
    await showCodeAttempts(tenancy, pool, claims)
    const same = before === (await observer.fingerprint(TENANTS))
    claims.check(same, "afterwards, both tenants' tables", same ? 'row for row as before' : 'have changed')
    sayWhatIsNotStopped()

    heading(5, "A secret in a tenant's settings")
    await showSecret({ api, tenancy, settings, sent: passwords, logged, observer, claims })

    heading(6, 'Who may do what, and why not')
    const scene = { hub, api, claims, ...ana }
    await showExplanation(scene)

    heading(7, 'A suspension takes effect at once')
    await showSuspension(scene)

    heading(8, 'The same by hand')
    await showObviousHelper(database.superuserUrl, CONNECTIONS, tenancy, TENANTS, claims)
  })
}

function never(): never {
  throw new Error('there are tenants')
}

/** Runs `work` and closes `resource` after it, also when it throws. */
async function using(resource: { close(): Promise<void> }, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } finally {
    await resource.close()
  }
}
