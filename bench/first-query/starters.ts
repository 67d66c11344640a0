/** A new project of one framework: the block of the README under `heading`, and what its `npm install` names. */
export interface Starter {
  readonly heading: string
  readonly packages: readonly string[]
  readonly file: string
  readonly run: readonly string[]
  /** Other files that such a project has. */
  readonly files?: Readonly<Record<string, string>>
}

/** What a Web runtime does with a handler. */
const WEB = `import { createServer } from 'node:http'
import { GET } from './route.js'
createServer(async (req, res) => {
  const answer = await GET(new Request('http://localhost' + req.url, { headers: req.headers }))
  res.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text())
}).listen(process.env.PORT)
`

export const STARTERS: readonly Starter[] = [
  { heading: 'Express', packages: ['express@5'], file: 'app.js', run: ['app.js'] },
  { heading: 'Hono', packages: ['hono@4', '@hono/node-server@1'], file: 'app.js', run: ['app.js'] },
  { heading: 'Fastify', packages: ['fastify@5'], file: 'app.js', run: ['app.js'] },
  {
    heading: 'Nest',
    packages: [
      '@nestjs/common',
      '@nestjs/core',
      '@nestjs/platform-express',
      'reflect-metadata',
      'rxjs@7',
      'tsx@4',
    ],
    file: 'app.ts',
    run: ['--import', 'tsx', 'app.ts'],
    files: {
      'tsconfig.json': '{ "compilerOptions": { "experimentalDecorators": true, "target": "es2022" } }',
    },
  },
  { heading: 'Next', packages: [], file: 'route.js', run: ['serve.js'], files: { 'serve.js': WEB } },
]

/** The first block of the README, and the one under a heading. */
export function blocksOf(readme: string, heading: string): { tenancy: string; app: string } {
  const block = (from: string): string => /```ts\n(.*?)```/s.exec(from)?.[1] ?? ''
  const at = readme.indexOf(`### ${heading}`)
  if (at < 0) throw new Error(`the README has no block for ${heading}`)
  return { tenancy: block(readme), app: block(readme.slice(at)) }
}
