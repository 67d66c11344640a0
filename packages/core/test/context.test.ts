import { EventEmitter, once } from 'node:events'
import { setImmediate as tick } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  currentTenant,
  isTenancyError,
  parseTenantKey,
  runWithoutTenant,
  runWithTenant,
  tryCurrentTenant,
} from '../src/index.ts'

const acme = parseTenantKey('acme')
const globex = parseTenantKey('globex')

const codeOf = (run: () => unknown): unknown => {
  try {
    run()
    return 'nothing'
  } catch (error) {
    return isTenancyError(error) ? error.code : error
  }
}

describe('the current tenant', () => {
  it('is missing outside', () => {
    expect(tryCurrentTenant()).toBeUndefined()
    expect(codeOf(currentTenant)).toBe('NO_TENANT_CONTEXT')
  })

  it('is there inside, and gone after', () => {
    expect(runWithTenant(acme, () => [currentTenant(), tryCurrentTenant()])).toEqual(['acme', 'acme'])
    expect(tryCurrentTenant()).toBeUndefined()
  })

  it('is gone after a throw and after a rejection', async () => {
    expect(() =>
      runWithTenant(acme, () => {
        throw new Error('mine')
      }),
    ).toThrow('mine')
    await expect(runWithTenant(acme, () => Promise.reject(new Error('mine')))).rejects.toThrow('mine')
    expect(tryCurrentTenant()).toBeUndefined()
  })

  it('follows what is awaited: timers, events, generators', async () => {
    const seen = await runWithTenant(acme, async () => {
      const tenants = [currentTenant()]
      await tick()
      tenants.push(currentTenant())
      const emitter = new EventEmitter()
      setImmediate(() => emitter.emit('done', currentTenant()))
      tenants.push(...(await once(emitter, 'done')))
      const generate = async function* () {
        await tick()
        yield currentTenant()
      }
      for await (const tenant of generate()) tenants.push(tenant)
      return tenants
    })
    expect(seen).toEqual(['acme', 'acme', 'acme', 'acme'])
  })
})

describe('nesting', () => {
  it('takes the same tenant again', () => {
    expect(runWithTenant(acme, () => runWithTenant(acme, currentTenant))).toBe('acme')
  })

  it('refuses another tenant, and the first stays', async () => {
    const after = await runWithTenant(acme, async () => {
      expect(codeOf(() => runWithTenant(globex, () => 'ran'))).toBe('CROSS_TENANT')
      await tick()
      expect(codeOf(() => runWithTenant(globex, () => 'ran'))).toBe('CROSS_TENANT')
      return currentTenant()
    })
    expect(after).toBe('acme')
  })

  it('does not name either tenant to the other', () => {
    const refused = () => runWithTenant(acme, () => runWithTenant(globex, () => 'ran'))
    expect(refused).toThrow(/^(?!.*(acme|globex))/)
  })

  it('allows another one after leaving, and returns to the first', async () => {
    const seen = await runWithTenant(acme, async () => {
      const inner = await runWithoutTenant(async () => {
        expect(tryCurrentTenant()).toBeUndefined()
        await tick()
        expect(codeOf(currentTenant)).toBe('NO_TENANT_CONTEXT')
        return await runWithTenant(globex, async () => {
          await tick()
          return currentTenant()
        })
      })
      return [inner, currentTenant()]
    })
    expect(seen).toEqual(['globex', 'acme'])
  })

  it('leaves nothing to leave outside', () => {
    expect(runWithoutTenant(tryCurrentTenant)).toBeUndefined()
  })
})

describe('parallel chains', () => {
  it('never see each other, in any order of their steps', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.constantFrom('acme', 'globex', 'initech'), { minLength: 2, maxLength: 8 }),
        async (scheduler, keys) => {
          const chains = keys.map((key) =>
            runWithTenant(parseTenantKey(key), async () => {
              const seen: (string | undefined)[] = []
              for (let step = 0; step < 4; step++) {
                await scheduler.schedule(Promise.resolve(), key)
                seen.push(currentTenant())
                seen.push(await runWithoutTenant(async () => tryCurrentTenant()))
              }
              return seen
            }),
          )
          const seen = await scheduler.waitFor(Promise.all(chains))
          expect(seen).toEqual(
            keys.map((key) => Array.from({ length: 8 }, (_, index) => (index % 2 ? undefined : key))),
          )
          expect(tryCurrentTenant()).toBeUndefined()
        },
      ),
      { numRuns: 50 },
    )
  })
})
