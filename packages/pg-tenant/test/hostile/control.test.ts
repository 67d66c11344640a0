import { beforeAll, expect, it } from 'vitest'
import { type AttackReport, formatAttackReport, runAttackKit } from '../../src/testing/attack/index.ts'
import { useSetting } from '../levels/setting.ts'
import { OBVIOUS } from './obvious.ts'

// The suite itself is tested here: it must find what a hand-written lifecycle lets a tenant's code have.

const setting = useSetting()
let report: AttackReport
beforeAll(async () => {
  const { directUrl, world } = setting
  report = await runAttackKit({
    url: directUrl,
    adminUrl: world.adminUrl,
    isolation: 'login',
    hostile: OBVIOUS,
    only: ['x'],
  })
})

it.each(OBVIOUS.map(({ id }) => id))('control: it has the administrator’s rights in %s', (id) => {
  const finding = report.findings.find((one) => one.id === `x.${id}`)
  expect(finding, formatAttackReport(report)).toMatchObject({ verdict: 'open', promised: true })
  expect(finding?.evidence).toContain('administrator, ')
  expect(report.ok).toBe(false)
})
