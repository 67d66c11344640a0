import { createHash, createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createRefreshTokens, type RefreshRotation, requireRotated } from '../../src/tokens/index.ts'
import { codeOf } from '../support/world.ts'
import { useTokenWorld } from './tenants.ts'

const tenants = useTokenWorld(['acme', 'globex'], 12)
const refresh = createRefreshTokens()
const DAY = 86_400

const login = (userId = 'user-1', tenant = 'acme') => tenants.in(tenant, (db) => refresh.issue(db, userId))
const rotate = (token: string, tenant = 'acme'): Promise<RefreshRotation> =>
  tenants.in(tenant, (db) => refresh.rotate(db, token))
const rotated = async (token: string) => requireRotated(await rotate(token))
const outcome = async (token: string, tenant = 'acme') => (await rotate(token, tenant)).outcome
const logout = (token: string) => tenants.in('acme', (db) => refresh.logout(db, token))
const live = async (family: string) =>
  (
    await tenants.rows('acme', 'select id from refresh_token where family_id = $1 and rotated_at is null', [
      family,
    ])
  ).length

describe('a refresh token', () => {
  it('is 256 random bits behind a prefix, and stored as a hash only', async () => {
    const { token, family, jti, userId, exp } = await login()
    expect(token).toMatch(/^pgtrt_[A-Za-z0-9_-]{43}$/)
    expect(userId).toBe('user-1')
    expect(Math.abs(exp - Date.now() / 1000 - 7 * DAY)).toBeLessThan(60)
    const { token: next } = await rotated(token)
    expect(next).not.toBe(token)
    expect(next).toMatch(/^pgtrt_[A-Za-z0-9_-]{43}$/)
    const dump = JSON.stringify([
      await tenants.rows(
        'acme',
        'select t.*, encode(hash, $1) as a, encode(successor_salt, $1) as b from refresh_token t',
        ['base64'],
      ),
      await tenants.rows(
        'acme',
        'select t.*, encode(hash, $1) as a, encode(successor_salt, $1) as b from refresh_token t',
        ['hex'],
      ),
    ])
    expect(dump).toContain(jti)
    expect(dump).toContain(family)
    for (const text of [token, next]) {
      const secret = text.slice('pgtrt_'.length)
      const bytes = Buffer.from(secret, 'base64url')
      for (const form of [secret, bytes.toString('base64'), bytes.toString('hex')])
        expect(dump).not.toContain(form)
    }
  })

  it('follows another, each with its own jti, and only the last is live', async () => {
    const { token, family, jti } = await login()
    const seen = new Set([jti])
    let current = token
    for (let i = 0; i < 5; i++) {
      const next = await rotated(current)
      expect(next).toMatchObject({ repeated: false, family, userId: 'user-1' })
      seen.add(next.jti)
      current = next.token
    }
    expect(seen.size).toBe(6)
    expect(await live(family)).toBe(1)
  })

  it.each([
    '',
    'pgtrt_',
    `pgtrt_${'A'.repeat(42)}`,
    `pgtrt_${'A'.repeat(44)}`,
    `pgtrt_${'A'.repeat(42)}B`,
    `pgtrt_${'A'.repeat(42)}=`,
    `pgtrx_${'A'.repeat(43)}`,
    `PGTRT_${'A'.repeat(43)}`,
    `pgtrt-${'A'.repeat(43)}`,
    'x'.repeat(1_000_000),
    null,
    undefined,
    1,
    { length: 49 },
  ])('that has not its form is unknown, and the database is not asked (%#)', async (token) => {
    const db = { tenant: 'acme' as never, query: () => Promise.reject(new Error('asked')) }
    expect(await refresh.rotate(db, token as string)).toEqual({ outcome: 'unknown' })
    expect(await refresh.logout(db, token as string)).toMatchObject({ revoked: 0 })
  })

  it('that nobody issued is unknown', async () => {
    const token = `pgtrt_${'A'.repeat(43)}`
    expect(await rotate(token)).toEqual({ outcome: 'unknown' })
    expect(await logout(token)).toEqual({ revoked: 0, userIds: [], accessTokens: [] })
    expect(() => requireRotated({ outcome: 'unknown' })).toThrow(
      expect.objectContaining({ code: 'INVALID_TOKEN' }),
    )
  })
})

describe('a replay', () => {
  const revokedFor = async (family: string) =>
    (await tenants.rows('acme', 'select revoked_reason from refresh_token_family where id = $1', [family]))[0]
      ?.revoked_reason

  it('of the parent within the grace window gives the same successor, as often as asked', async () => {
    const { token, family } = await login()
    const one = await rotated(token)
    for (let i = 0; i < 3; i++) expect(await rotated(token)).toEqual({ ...one, repeated: true })
    expect(await live(family)).toBe(1)
    expect(await outcome(one.token)).toBe('rotated')
  })

  it('of the parent after the grace window revokes the family, and that is kept', async () => {
    const { token, family, userId } = await login()
    const { token: next, jti } = await rotated(token)
    await tenants.age('acme', 10)
    const result = await rotate(token)
    expect(result).toMatchObject({ outcome: 'reused', family, userId })
    expect(result).toMatchObject({ accessTokens: expect.arrayContaining([expect.objectContaining({ jti })]) })
    expect(() => requireRotated(result)).toThrow(expect.objectContaining({ code: 'INVALID_TOKEN' }))
    expect(await revokedFor(family)).toBe('reused')
    expect([await outcome(next), await outcome(token)]).toEqual(['revoked', 'revoked'])
  })

  it('of the parent just inside the window does not', async () => {
    const { token } = await login()
    await rotated(token)
    await tenants.age('acme', 8)
    expect(await outcome(token)).toBe('rotated')
  })

  it('of an older ancestor revokes the family, however soon it comes', async () => {
    const { token: grandparent, family } = await login()
    const { token: parent } = await rotated(grandparent)
    const { token: child } = await rotated(parent)
    expect(await rotate(grandparent)).toMatchObject({ outcome: 'reused', family })
    expect(await Promise.all([parent, child].map((token) => outcome(token)))).toEqual(['revoked', 'revoked'])
  })

  it('of an older ancestor is one even if its salt were still there', async () => {
    const { token } = await login()
    const { token: parent, family } = await rotated(token)
    const salt = `select encode(successor_salt, 'hex') as salt from refresh_token where family_id = $1 and rotated_at is not null`
    const [kept] = await tenants.rows('acme', salt, [family])
    await rotated(parent)
    await tenants.in('acme', (db) =>
      db.query(
        `update refresh_token set successor_salt = decode($2, 'hex') where family_id = $1 and parent_id is null`,
        [family, kept?.salt],
      ),
    )
    expect(await outcome(token)).toBe('reused')
  })

  it('touches no other login of the same user', async () => {
    const [one, two] = [await login('user-2'), await login('user-2')]
    await rotated((await rotated(one.token)).token)
    expect(await outcome(one.token)).toBe('reused')
    expect(await outcome(two.token)).toBe('rotated')
  })

  it('is forgotten when the exception is thrown inside the transaction: why requireRotated comes after it', async () => {
    const { token, family } = await login()
    await rotated((await rotated(token)).token)
    const inside = tenants.in('acme', async (db) => requireRotated(await refresh.rotate(db, token)))
    expect(await codeOf(inside)).toBe('INVALID_TOKEN')
    expect(await revokedFor(family)).toBeNull()
    const after = tenants.in('acme', (db) => refresh.rotate(db, token)).then(requireRotated)
    expect(await codeOf(after)).toBe('INVALID_TOKEN')
    expect(await revokedFor(family)).toBe('reused')
  })

  it('is one with no grace at all', async () => {
    const strict = createRefreshTokens({ grace: 0 })
    const { token } = await login()
    await rotated(token)
    expect(await tenants.in('acme', (db) => strict.rotate(db, token))).toMatchObject({ outcome: 'reused' })
  })
})

describe('many at once, on connections of their own', () => {
  it('ten refreshes of one token: one successor, and all ten get it', async () => {
    for (let round = 0; round < 5; round++) {
      const { token, family } = await login()
      const results = await Promise.all(Array.from({ length: 10 }, () => rotated(token)))
      expect(new Set(results.map((result) => result.token)).size).toBe(1)
      expect(new Set(results.map((result) => result.jti)).size).toBe(1)
      expect(results.filter(({ repeated }) => !repeated)).toHaveLength(1)
      expect(await live(family)).toBe(1)
      expect(await outcome(results[0]?.token ?? '')).toBe('rotated')
    }
  })

  it('refreshes and a logout: whatever the order, nothing is live after it', async () => {
    for (let round = 0; round < 5; round++) {
      const { token, family } = await login()
      const work = Array.from({ length: 8 }, (_, i) => (i === 4 ? logout(token) : rotate(token)))
      const results = await Promise.all(work)
      const tokens = results.flatMap((result) => ('token' in result ? [result.token] : []))
      for (const each of [token, ...tokens]) expect(await outcome(each)).toBe('revoked')
      expect(await revoked(family)).toBe(true)
    }
  })

  it('parents and children of one family: no deadlock, never two live', async () => {
    for (let round = 0; round < 5; round++) {
      const { token: parent, family } = await login()
      const { token: child } = await rotated(parent)
      const outcomes = await Promise.all(
        Array.from({ length: 10 }, (_, i) => outcome(i % 2 === 0 ? parent : child)),
      )
      for (const each of outcomes) expect(['rotated', 'reused', 'revoked']).toContain(each)
      expect(await live(family)).toBe(1)
    }
  })

  it('a revocation of everything and refreshes of everything', async () => {
    const logins = await Promise.all(Array.from({ length: 5 }, () => login('busy')))
    const all = () => tenants.in('acme', (db) => refresh.revokeAllForUser(db, 'busy'))
    await Promise.all([...logins.map(({ token }) => rotate(token)), all(), all()])
    for (const { token } of logins) expect(await outcome(token)).toBe('revoked')
  })

  it('a fork is refused by the table itself', async () => {
    const { token, family } = await login()
    await rotated(token)
    const fork = tenants.in('acme', (db) =>
      db.query(
        `insert into refresh_token (hash, family_id, jti, expires_at)
         values (decode(repeat('ab', 32), 'hex'), $1, gen_random_uuid(), now() + interval '1 day')`,
        [family],
      ),
    )
    expect(await codeOf(fork)).toBe('DUPLICATE_RESOURCE')
  })
})

const revoked = async (family: string) =>
  (
    await tenants.rows(
      'acme',
      'select revoked_at is not null as yes from refresh_token_family where id = $1',
      [family],
    )
  )[0]?.yes

describe('ending a login', () => {
  it('by any of its tokens, once; it beats the grace window', async () => {
    const { token } = await login()
    const { token: next } = await rotated(token)
    expect(await logout(token)).toMatchObject({ revoked: 1, userIds: ['user-1'] })
    expect(await logout(next)).toMatchObject({ revoked: 0, accessTokens: [] })
    expect([await outcome(token), await outcome(next)]).toEqual(['revoked', 'revoked'])
    expect(() => requireRotated({ outcome: 'revoked' })).toThrow(
      expect.objectContaining({ code: 'INVALID_TOKEN' }),
    )
  })

  it('lists the access tokens that may still be in use', async () => {
    const { token, jti, exp } = await login('lists')
    await tenants.age('acme', 900 + 10 + 61)
    const next = await rotated(token)
    const { accessTokens } = await logout(next.token)
    expect(accessTokens.map((access) => access.jti)).toEqual([next.jti])
    expect(accessTokens.some((access) => access.jti === jti)).toBe(false)
    expect(accessTokens[0]?.exp).toBeGreaterThanOrEqual(Math.floor(Date.now() / 1000) + 900)
    expect(accessTokens[0]?.exp).toBeLessThan(exp)
  })

  it('by its family, and all of a user', async () => {
    const [one, two, other] = [await login('user-3'), await login('user-3'), await login('user-4')]
    const byFamily = await tenants.in('acme', (db) => refresh.revokeFamily(db, one.family))
    expect(byFamily).toMatchObject({ revoked: 1, userIds: ['user-3'], accessTokens: [{ jti: one.jti }] })
    expect(await tenants.in('acme', (db) => refresh.revokeAllForUser(db, 'user-3'))).toMatchObject({
      revoked: 1,
    })
    expect(await Promise.all([one, two, other].map(({ token }) => outcome(token)))).toEqual([
      'revoked',
      'revoked',
      'rotated',
    ])
  })
})

describe('time', () => {
  it('a token left unused for a week runs out, a used one does not', async () => {
    const [idle, used] = [await login(), await login()]
    await tenants.age('acme', 6 * DAY)
    const { token } = await rotated(used.token)
    await tenants.age('acme', 1 * DAY)
    expect(await outcome(token)).toBe('rotated')
    expect(await rotate(idle.token)).toEqual({ outcome: 'expired' })
    expect(() => requireRotated({ outcome: 'expired' })).toThrow(
      expect.objectContaining({ code: 'TOKEN_EXPIRED' }),
    )
  })

  it('a login ends after thirty days, however often it is refreshed', async () => {
    let { token, exp } = await login()
    const end = exp + 23 * DAY
    for (let day = 0; day < 28; day += 7) {
      await tenants.age('acme', 6 * DAY)
      ;({ token, exp } = await rotated(token))
    }
    // 24 days have passed, so the last token has six left, not seven.
    expect(Math.abs(exp + 24 * DAY - end)).toBeLessThan(60)
    await tenants.age('acme', 6 * DAY)
    expect(await outcome(token)).toBe('expired')
  })

  it('an ancestor of a login that has ended is only expired', async () => {
    const { token } = await login()
    await rotated(token)
    await tenants.age('acme', 30 * DAY)
    expect(await outcome(token)).toBe('expired')
  })

  it('an ancestor that ran out still gives the thief away', async () => {
    const { token } = await login()
    const { token: next } = await rotated(token)
    await tenants.age('acme', 6 * DAY)
    const { token: last } = await rotated(next)
    await tenants.age('acme', 2 * DAY)
    expect(await outcome(token)).toBe('reused')
    expect(await outcome(last)).toBe('revoked')
  })
})

describe('one tenant and another', () => {
  it('a token of one is unknown to the other', async () => {
    const { token } = await login()
    expect(await outcome(token, 'globex')).toBe('unknown')
    expect(await tenants.in('globex', (db) => refresh.logout(db, token))).toMatchObject({ revoked: 0 })
    expect(await outcome(token)).toBe('rotated')
  })

  it('and stays so when its row is copied into the other’s table', async () => {
    const { token, family } = await login()
    for (const table of ['refresh_token_family', 'refresh_token']) {
      const rows = await tenants.world.root.query(
        `select * from c_acme.${table} as t where $1 in (t.id, ${table === 'refresh_token' ? 't.family_id' : 't.id'})`,
        [family],
      )
      expect(rows.rowCount).toBe(1)
      await tenants.world.root.query(
        `insert into c_globex.${table} select * from c_acme.${table} as t where $1 in (t.id, ${table === 'refresh_token' ? 't.family_id' : 't.id'})`,
        [family],
      )
    }
    expect(await outcome(token, 'globex')).toBe('unknown')
    expect(await outcome(token)).toBe('rotated')
  })
})

describe('a leaked table', () => {
  it('does not give the successor to who has only its rows, nor to who has only the parent', async () => {
    const { token } = await login()
    const { token: next, family } = await rotated(token)
    const rows = await tenants.rows(
      'acme',
      `select encode(hash, 'hex') as hash, encode(successor_salt, 'hex') as salt from refresh_token
       where family_id = $1 order by rotated_at nulls last`,
      [family],
    )
    const secret = next.slice('pgtrt_'.length)
    const [parent, child] = rows as { hash: string; salt: string }[]
    // What an attacker with the rows can compute: MACs and hashes of what is in them.
    const known = [parent?.hash, parent?.salt, child?.hash].map((hex) => Buffer.from(hex ?? '', 'hex'))
    const guesses = known.flatMap((key) => [
      key,
      createHash('sha256').update(key).digest(),
      ...known.map((data) =>
        createHmac('sha256', key).update('pg-tenant refresh successor v1\0acme\0').update(data).digest(),
      ),
    ])
    expect(guesses.map((guess) => guess.toString('base64url'))).not.toContain(secret)
    // The real one needs the parent's secret, which only its hash is kept of.
    const bytes = Buffer.from(token.slice('pgtrt_'.length), 'base64url')
    const real = createHmac('sha256', bytes)
      .update('pg-tenant refresh successor v1\0acme\0')
      .update(Buffer.from(parent?.salt ?? '', 'hex'))
      .digest('base64url')
    expect(real).toBe(secret)
  })

  it('holds no salt of tokens that were followed further: an old token opens no chain', async () => {
    const { token, family } = await login()
    let current = token
    for (let i = 0; i < 4; i++) current = (await rotated(current)).token
    const salts = await tenants.rows(
      'acme',
      'select 1 from refresh_token where family_id = $1 and successor_salt is not null',
      [family],
    )
    expect(salts).toHaveLength(1)
  })
})

describe('cleaning up', () => {
  const counts = async () =>
    (
      await tenants.rows(
        'globex',
        'select (select count(*)::int from refresh_token) as tokens, (select count(*)::int from refresh_token_family) as families, (select count(*)::int from refresh_token where successor_salt is not null) as salts',
      )
    )[0]

  it('removes the dead in bounded batches, and nothing that is alive or may still be replayed', async () => {
    await tenants.in('globex', async (db) => {
      await db.query('delete from refresh_token')
      await db.query('delete from refresh_token_family')
    })
    const clean = (options: { limit?: number; keep?: number } = {}) =>
      tenants.in('globex', (db) => refresh.cleanUp(db, options))
    const inGlobex = async (token: string) =>
      requireRotated(await tenants.in('globex', (db) => refresh.rotate(db, token))).token
    const dead = await login('dead', 'globex')
    await inGlobex(await inGlobex(dead.token))
    await tenants.age('globex', 7 * DAY + 60)
    const alive = await login('alive', 'globex')
    const next = await inGlobex(alive.token)
    const out = await login('out', 'globex')
    await tenants.in('globex', (db) => refresh.logout(db, out.token))
    expect(await counts()).toEqual({ tokens: 6, families: 3, salts: 2 })
    expect(await clean(), 'kept for a day').toMatchObject({ deleted: 0 })
    expect(await counts(), 'the old salt').toEqual({ tokens: 6, families: 3, salts: 1 })
    await tenants.age('globex', DAY)
    const steps = []
    do steps.push(await clean({ limit: 2 }))
    while (!steps.at(-1)?.done && steps.length < 20)
    expect(Math.max(...steps.map(({ deleted }) => deleted))).toBeLessThanOrEqual(4)
    expect(steps.length).toBeGreaterThan(2)
    expect(await counts()).toEqual({ tokens: 2, families: 1, salts: 0 })
    expect(await outcome(next, 'globex')).toBe('rotated')
    expect(await outcome(alive.token, 'globex')).toBe('reused')
  })
})

describe('set-up and input', () => {
  it.each([
    { prefix: 'A' },
    { prefix: 'has_underscore' },
    { familyLifetime: 31 * DAY },
    { familyLifetime: 59 },
    { idleLifetime: 8 * DAY, familyLifetime: 7 * DAY },
    { grace: 61 },
    { grace: -1 },
    { accessLifetime: 0 },
  ])('%j is refused', (options) => {
    expect(() => createRefreshTokens(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })

  it('a user or family that can be none is refused before the database is asked', async () => {
    const db = { tenant: 'acme' as never, query: () => Promise.reject(new Error('asked')) }
    for (const user of ['', 'x'.repeat(256), 'a\u0000', null, 7, '\ud800'] as string[]) {
      expect(await codeOf(refresh.issue(db, user))).toBe('VALIDATION_ERROR')
      expect(await codeOf(refresh.revokeAllForUser(db, user))).toBe('VALIDATION_ERROR')
    }
    for (const family of ['', 'x', null, `${crypto.randomUUID()}'`] as string[]) {
      expect(await codeOf(refresh.revokeFamily(db, family))).toBe('VALIDATION_ERROR')
    }
    expect(await codeOf(refresh.cleanUp(db, { limit: 0 }))).toBe('INVALID_OPTION')
    expect(await codeOf(refresh.cleanUp(db, { keep: -1 }))).toBe('VALIDATION_ERROR')
  })
})
