import { describe, expect, it } from 'vitest'
import { parseTarget } from '../../src/wire/target.ts'

describe('parseTarget', () => {
  it.each([
    ['db.example:6432', 'db.example', 6432, 'postgres://127.0.0.1:7'],
    ['postgres://me:p%40ss@db/app', 'db', 5432, 'postgres://me:p%40ss@127.0.0.1:7/app'],
    ['postgresql://me@[::1]:1234/app?x=y', '::1', 1234, 'postgresql://me@127.0.0.1:7/app?x=y'],
  ])('%s', (target, host, port, through) => {
    const parsed = parseTarget(target)
    expect(parsed).toMatchObject({ host, port })
    expect(parsed.urlThrough(7)).toBe(through)
  })

  it.each([
    'postgres:///app?host=/tmp',
    'postgres://db/app?host=other',
    'postgres://db/?port=1',
    'not a host:1',
    '',
  ])('refuses %j', (target) => {
    expect(() => parseTarget(target)).toThrow(TypeError)
  })
})
