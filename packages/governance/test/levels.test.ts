import { describe, expect, it } from 'vitest'
import { installAudit } from '../src/audit/index.ts'
import { installPrivacy } from '../src/privacy/index.ts'
import { installRetention } from '../src/retention/index.ts'
import { installUsage } from '../src/usage/index.ts'
import { LEVELS, useLevel } from './support/levels.ts'

describe.each(LEVELS)('level %s', (level) => {
  const world = useLevel(level, async (admin, options) => {
    await installAudit(admin, options)
    await installUsage(admin, options)
    await installRetention(admin)
    await installPrivacy(admin)
  })

  it('verify and doctor find nothing wrong with tenants that have all of it', async () => {
    const report = await world.tenancy.verify()
    const wrong = report.checks.filter((check) => check.outcome === 'failed')
    expect(wrong).toEqual([])
    const { findings } = await world.tenancy.doctor()
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([])
  })
})
