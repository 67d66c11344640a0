import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, it } from 'vitest'
import { Deadlines } from '../../src/driver/deadlines.ts'

const NEVER = Number.MAX_SAFE_INTEGER

it('ends what has waited for too long, once each, and nothing that came in time', async () => {
  const deadlines = new Deadlines()
  const ended: string[] = []
  await new Promise<void>((resolve) => {
    const waits = (name: string, deadline: number) => {
      const one = { deadline, expire: () => void ended.push(name) }
      deadlines.add(one)
      return one
    }
    const answered = waits('answered', 0)
    waits('first', 0)
    waits('second', 1)
    const patient = waits('patient', NEVER)
    deadlines.delete(answered)
    deadlines.add({
      deadline: performance.now() + 20,
      expire: () => {
        deadlines.delete(patient)
        resolve()
      },
    })
  })
  expect(ended).toEqual(['first', 'second'])
})

it('what it ends may wait for something else', async () => {
  const deadlines = new Deadlines()
  const again = await new Promise<string>((resolve) => {
    deadlines.add({
      deadline: 0,
      expire: () => deadlines.add({ deadline: 0, expire: () => resolve('again') }),
    })
  })
  expect(again).toBe('again')
})

it('runs nothing in the context of who came first (hazard s)', async () => {
  const tenant = new AsyncLocalStorage<string>()
  const deadlines = new Deadlines()
  const seen = await new Promise<string | undefined>((resolve) => {
    tenant.run('acme', () =>
      deadlines.add({ deadline: performance.now() + 5, expire: () => resolve(tenant.getStore()) }),
    )
  })
  expect(seen).toBeUndefined()
})
