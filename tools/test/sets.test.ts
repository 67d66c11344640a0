import { expect, it } from 'vitest'
import { ranNowhere } from '../sets/neither.ts'

it('finds what both sets have left out, and nothing that one of them has run', () => {
  const first =
    'ran\tone a > x\nskipped\tone a > y\nskipped\tone a > z\nskipped\tone a > SKIPPED: install it\n'
  expect(ranNowhere(`${first}skipped\tone a > x\nran\tone a > y\n`)).toEqual(['one a > z'])
})
