import { expectTypeOf, test } from 'vitest'
import type { TenancyOptions } from '../../src/index.ts'

test('distributedSchemas is a word of a closed set', () => {
  expectTypeOf<TenancyOptions['distributedSchemas']>().toEqualTypeOf<'citus' | undefined>()
  // @ts-expect-error no other way to distribute
  const wrong: TenancyOptions['distributedSchemas'] = true
  void wrong
})
