import { describe, expect, it } from 'vitest'
import { createGuard as expressGuard } from '../src/express/index.ts'
import { createGuard as honoGuard } from '../src/hono/index.ts'
import { createRbacStore, entitlementBelongings, installRbac } from '../src/store/index.ts'

/** What calls are given in JavaScript, where no compiler looks. */
const misspelt = (name: string): never => ({ [name]: 1 }) as never

const unused = { query: () => Promise.reject(new Error('sent')) }

describe('a misspelt option', () => {
  it.each([
    ['evaluater', 'evaluator', async () => expressGuard(misspelt('evaluater'))],
    ['evaluater', 'evaluator', async () => honoGuard(misspelt('evaluater'))],
    ['manager', 'managers', () => installRbac(unused, misspelt('manager'))],
    ['controlShema', 'controlSchema', async () => entitlementBelongings(misspelt('controlShema'))],
    ['maxAges', 'maxAge', async () => createRbacStore(misspelt('maxAges'))],
  ])('%s is told by name, with %s, before anything is sent', async (option, nearest, call) => {
    await expect(call()).rejects.toMatchObject({ code: 'INVALID_OPTION', details: { option, nearest } })
  })
})
