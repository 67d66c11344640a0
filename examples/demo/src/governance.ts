import type { Claims } from './claims.ts'
import { type Api, call, summary } from './client.ts'
import type { DemoHub } from './hub.ts'

export interface GovernanceScene {
  readonly hub: DemoHub
  readonly api: Api
  /** An administrator of acme. */
  readonly adminId: string
  /** Their token. */
  readonly token: string
  readonly claims: Claims
}

/** Who may do what, and why not. */
export async function showExplanation({ hub, adminId, token, claims }: GovernanceScene): Promise<void> {
  const denied = await hub.ask('GET', '/v1/tenants', undefined, token)
  claims.checkAnswer(
    "acme's administrator: GET /v1/tenants",
    '403 FORBIDDEN_ACTION',
    `${denied.status} ${denied.error?.code}`,
    String(denied.error?.details?.action),
  )
  const explain = (action: string) =>
    hub.ask('GET', `/v1/tenants/acme/explain?user=${adminId}&action=${action}`)
  const no = await explain('platform.tenants.read')
  claims.check(no.data.allowed === false, 'the operator asks why not', String(no.data.sentence))
  const yes = await explain('identity.users.create')
  claims.check(
    yes.data.allowed === true,
    'and why they may invite users',
    (yes.data.steps as { sentence: string }[]).at(-1)?.sentence,
  )
}

/** A suspension at the hub, and what the site answers to the very next request. */
export async function showSuspension({ hub, api, token, claims }: GovernanceScene): Promise<void> {
  const notes = (more: object = {}) =>
    call(api, { path: '/notes?limit=1', clientKey: 'acme', ...more }).then(summary)
  const set = async (status: string) => {
    const body = { status, ...(status === 'suspended' && { reason: 'unpaid' }) }
    return (await hub.ask('PATCH', '/v1/tenants/acme', body)).data.status
  }
  claims.checkAnswer("the site, with the hub's token of acme", '200', await notes({ token }))
  claims.checkAnswer('the hub suspends acme', 'suspended', String(await set('suspended')))
  claims.checkAnswer('the very next request to the site', '403 TENANT_SUSPENDED', await notes())
  claims.checkAnswer('with the token of its administrator', '403 TENANT_SUSPENDED', await notes({ token }))
  claims.checkAnswer('globex meanwhile', '200', await notes({ clientKey: 'globex' }))
  claims.checkAnswer('the hub resumes acme', 'active', String(await set('active')))
  claims.checkAnswer('the very next request to the site', '200', await notes())
}
