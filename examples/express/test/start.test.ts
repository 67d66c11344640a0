import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { inherited, type RunningHub, startHub } from './support/child.ts'
import { makeDatabase, PASSWORD } from './support/world.ts'

const FOLDER = fileURLToPath(new URL('..', import.meta.url))
const SOURCES = ['--conditions=@org/source', '--disable-warning=ExperimentalWarning']
let local: Awaited<ReturnType<typeof makeDatabase>>
let hub: RunningHub | undefined

beforeAll(async () => {
  local = await makeDatabase()
})
afterAll(async () => {
  hub?.process.kill('SIGKILL')
  await hub?.ended.catch(() => {})
  await local?.close()
})

const start = async (environment: NodeJS.ProcessEnv = {}) => {
  hub = await startHub(FOLDER, { ...local.environment, ...environment }, SOURCES)
  return hub
}

async function post(base: string, path: string, body: object, headers: Record<string, string> = {}) {
  const answer = await fetch(`${base}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  return { status: answer.status, body: (await answer.json()) as { data: Record<string, string> } }
}

/** As the operator does it once, by the command for it. (Whom it invites no more: open-hub.test.ts.) */
function invitation(): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, [...SOURCES, 'src/invite-operator.ts'], {
    cwd: FOLDER,
    env: { ...inherited(), ...local.environment },
    encoding: 'utf8',
  })
  expect(status, stderr).toBe(0)
  return /invitation=(\S+)/.exec(stdout)?.[1] ?? ''
}

const newTenant = (slug: string) => ({
  slug,
  name: slug,
  packageKey: 'essentials',
  adminUser: { email: `a@${slug}.example`, name: 'A' },
})

it('survives a connection that dies while it is held; finishes what is in flight when it is told to stop, loses nothing, and ends with 0', {
  tags: 'slow',
}, async () => {
  const { base, process: child, ended, lines } = await start()
  const signedIn = await post(
    base,
    '/v1/auth/invitation',
    { token: invitation(), password: PASSWORD },
    { 'X-Client-Key': 'platform' },
  )
  expect(signedIn.status).toBe(200)
  const { accessToken } = signedIn.body.data
  const onboard = (slug: string) =>
    post(base, '/v1/tenants', newTenant(slug), { Authorization: `Bearer ${accessToken}` })
  const root = new pg.Client(local.environment.ADMIN_DATABASE_URL)
  const other = new pg.Client(local.environment.CONTROL_DATABASE_URL)
  await Promise.all([root.connect(), other.connect()])

  await root.query('begin; lock table tenancy.tenant in share mode')
  const cut = onboard('cut')
  // The connection that keeps others from onboarding the same tenant: it does nothing meanwhile.
  const kill = `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
    and pid <> pg_backend_pid() and state = 'idle in transaction' and query like '%pg_advisory_xact_lock%'`
  await expect.poll(async () => (await other.query(kill)).rowCount).toBe(1)
  await root.query('rollback')
  expect((await cut).status).toBe(201)

  // Somebody holds the table, so that the request is still under way when the signal comes.
  await root.query('begin; lock table hub.tenant_profile in access exclusive mode')
  const answer = onboard('late')
  const waiting = `select count(*)::int as waiting from pg_locks
    where not granted and relation = 'hub.tenant_profile'::regclass`
  await expect
    .poll(async () => (await root.query<{ waiting: number }>(waiting)).rows[0]?.waiting)
    .toBeGreaterThan(0)
  child.kill('SIGTERM')
  await expect.poll(() => lines.some((line) => line.includes('in flight'))).toBe(true)
  await expect(fetch(`${base}/health`)).rejects.toThrow()
  await root.query('rollback')
  expect((await answer).status).toBe(201)
  expect(await ended).toBe(0)

  const { rows } = await root.query(
    `select key, status from tenancy.tenant where key in ('cut', 'late') order by key`,
  )
  expect(rows).toEqual([
    { key: 'cut', status: 'active' },
    { key: 'late', status: 'active' },
  ])
  await Promise.all([root.end(), other.end()])
  const log = lines.join('\n')
  const secrets = Object.entries(local.environment).flatMap(([name, value]) =>
    /(KEY|TOKEN|PEPPER)$/.test(name) ? [value] : [],
  )
  expect(secrets).toHaveLength(6)
  for (const secret of [accessToken, PASSWORD, ...secrets]) expect(log).not.toContain(secret ?? '')
  for (const line of lines) expect(JSON.parse(line)).toMatchObject({ level: expect.any(String) })
})

it('starts again on what is there: the operator signs in', { tags: 'slow' }, async () => {
  const { base, process: child, ended } = await start()
  const login = { email: 'operator@example.com', password: PASSWORD }
  const signedIn = await post(base, '/v1/auth/login', login, { 'X-Client-Key': 'platform' })
  expect(signedIn.status).toBe(200)
  child.kill('SIGINT')
  expect(await ended).toBe(0)
})

it('names what is missing in its environment, and shows no value', async () => {
  const failed = start({ TOKEN_SIGNING_KEY: '', API_KEY_PEPPER: 'hunter2' })
  await expect(failed).rejects.toThrow(/TOKEN_SIGNING_KEY.*\n.*API_KEY_PEPPER: 64 hexadecimal digits/)
  await expect(failed).rejects.not.toThrow(/hunter2/)
})
