import { describe, expect, it } from 'vitest'
import { comparisonsIn, levelsByName } from '../layers/level-names.ts'

describe('which level it is', () => {
  it('is asked by the seam alone; everybody else asks what the level can do (traitsOf)', () => {
    expect(levelsByName()).toEqual([])
  })

  it.each([
    "if (level === 'row') return",
    "const own = scene.lifecycle.level !== 'database'",
    "'login' === lab.isolation",
    'record.isolation === ROW',
    "switch (level) { case 'row': break }",
    "['login', 'database'].includes(level)",
  ])('control: %s is found', (text) => {
    expect(comparisonsIn(text)).toHaveLength(1)
  })

  it.each(["security.text !== 'level'", 'isolation === level', "what === 'schema'"])(
    'control: %s is nothing of the kind',
    (text) => {
      expect(comparisonsIn(text)).toEqual([])
    },
  )
})
