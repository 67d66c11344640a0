import type { Claims } from './claims.ts'
import { type Answer, type Api, call, callSubdomain, summary } from './client.ts'
import { dim, line } from './print.ts'

interface HttpAttempt {
  readonly tried: string
  readonly expected: string
  readonly run: () => Promise<Answer>
}

/** What a client can try, by the API's front door. */
export async function showHttpAttempts(api: Api, acmesToken: string, claims: Claims): Promise<void> {
  const as = (clientKey: string, path = '/notes') => call(api, { path, clientKey })
  const malformed = ['ACME', '../x', 'c_acme"; drop schema']
  const id = await idOnlyGlobexHas(api)
  const attempts: HttpAttempt[] = [
    {
      tried: `acme asks for note ${id}, which only globex has`,
      expected: '404 NOT_FOUND',
      run: () => as('acme', `/notes/${id}`),
    },
    {
      tried: 'X-Client-Key: acme at globex.localhost',
      expected: '400 TENANT_MISMATCH',
      run: () => callSubdomain(api, 'globex', { path: '/notes', clientKey: 'acme' }),
    },
    {
      tried: 'a tenant that does not exist: initech',
      expected: '401 TENANT_NOT_FOUND',
      run: () => as('initech'),
    },
    {
      tried: "X-Client-Key: acme without the site's key",
      expected: '401 UNAUTHORIZED',
      run: () => call(api, { path: '/notes', clientKey: 'acme', token: null }),
    },
    {
      tried: "X-Client-Key: globex with acme's token",
      expected: '400 TENANT_MISMATCH',
      run: () => call(api, { path: '/notes', clientKey: 'globex', token: acmesToken }),
    },
    {
      tried: 'X-Client-Key: acme, globex',
      expected: '400 TENANT_MISMATCH',
      run: () => as('acme, globex'),
    },
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
async function idOnlyGlobexHas(api: Api): Promise<number> {
  const { body } = await call(api, { path: '/notes?limit=1', clientKey: 'acme' })
  const [newest] = body.data as { id: number }[]
  for (;;) {
    const answer = await call(api, {
      method: 'POST',
      path: '/notes',
      clientKey: 'globex',
      body: { body: "globex's secret" },
    })
    const { id } = answer.body.data as { id: number }
    if (BigInt(id) > BigInt(newest?.id ?? 0)) return id
  }
}
