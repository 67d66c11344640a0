import { expect, it } from 'vitest'
import { pageOf } from '../docs/page.ts'

it('shows what a docstring says, as text', () => {
  const page = pageOf([
    {
      name: '@org/core: f',
      package: 'core',
      file: 'packages/core/src/f.ts',
      text: 'Does `x`.\n\nAnd <script>.',
      throws: ['TenancyError INVALID_OPTION'],
      signature: '(a: Map<string, number>) => void',
      example: "f(new Map([['<b>', 1]]))",
    },
  ])
  expect(page).toContain('<p>Does <code>x</code>.</p><p>And &lt;script&gt;.</p>')
  expect(page).toContain('(a: Map&lt;string, number&gt;) =&gt; void')
  expect(page).toContain('&lt;b&gt;')
  expect(page).toContain('INVALID_OPTION')
  // Nothing from elsewhere: it works offline.
  expect(page).not.toMatch(/(src|href)="(https?:)?\/\//)
})
