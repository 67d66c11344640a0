import type { Claims } from './claims.ts'
import { type Answer, call, callSubdomain, summary } from './client.ts'
import { dim, line } from './print.ts'

interface HttpAttempt {
  readonly tried: string
  readonly expected: string
  readonly run: () => Promise<Answer>
}

/** What a client can try, by the API's front door. */
export async function showHttpAttempts(port: number, claims: Claims): Promise<void> {
  const as = (clientKey: string, path = '/notes') => call(port, { path, clientKey })
  const malformed = ['ACME', '../x', 'c_acme"; drop schema', 'acme, globex']
  const id = await idOnlyGlobexHas(port)
  const attempts: HttpAttempt[] = [
    {
      tried: `acme asks for note ${id}, which only globex has`,
      expected: '404 NOT_FOUND',
      run: () => as('acme', `/notes/${id}`),
    },
    {
      tried: 'X-Client-Key: acme at globex.localhost',
      expected: '400 TENANT_MISMATCH',
      run: () => callSubdomain(port, 'globex', { path: '/notes', clientKey: 'acme' }),
    },
    {
      tried: 'a tenant that does not exist: initech',
      expected: '401 TENANT_NOT_FOUND',
      run: () => as('initech'),
    },
    { tried: 'no tenant at all', expected: '401 UNAUTHORIZED', run: () => call(port, { path: '/notes' }) },
    ...malformed.map((key) => ({
      tried: `X-Client-Key: ${key}`,
      expected: '400 INVALID_TENANT_KEY',
      run: () => as(key),
    })),
  ]
  line(dim('Over HTTP'))
  for (const { tried, expected, run } of attempts) claims.checkAnswer(tried, expected, summary(await run()))
}

/** globex writes one note more than acme has, so that there is an id to steal. */
async function idOnlyGlobexHas(port: number): Promise<string> {
  const { body } = await call(port, { path: '/notes?limit=1', clientKey: 'acme' })
  const [newest] = body.data as { id: string }[]
  for (;;) {
    const answer = await call(port, {
      method: 'POST',
      path: '/notes',
      clientKey: 'globex',
      body: { body: "globex's secret" },
    })
    const { id } = answer.body.data as { id: string }
    if (BigInt(id) > BigInt(newest?.id ?? 0)) return id
  }
}
