import { transform } from 'esbuild'

/**
 * The program of an example: what a line says after `// →` is asserted of the value before it.
 *
 * @example
 * ```ts
 * await programOf('const sum = 1 + 1 // → 2') // asserts that `sum` is 2
 * ```
 */
export async function programOf(example: string): Promise<string> {
  const lines = example.split('\n').map(asserted)
  const { code } = await transform(`${IMPORT}\n${lines.join('\n')}`, {
    loader: 'ts',
    format: 'esm',
    tsconfigRaw: { compilerOptions: { experimentalDecorators: true, verbatimModuleSyntax: true } },
  })
  return code
}

const IMPORT = `import { deepStrictEqual as same } from 'node:assert'`

/** One line: `value // → expected`, `const name = value // → expected`, or `call // → throws CODE`. */
function asserted(line: string): string {
  const [, indent = '', statement, expected] = /^(\s*)(.*\S)\s+\/\/ → (.+)$/.exec(line) ?? []
  if (statement === undefined) return line
  const [, name] = /^const (\w+)\b/.exec(statement) ?? []
  if (name !== undefined) return `${line}\n${indent};same(${name}, ${expected})`
  const [, code] = /^throws (\w+)/.exec(expected ?? '') ?? []
  if (code !== undefined)
    return `${indent};same(await (async () => ${statement})().then(() => 'nothing', ({ code }) => code), '${code}')`
  return `${indent};same(${statement}, ${expected})`
}
