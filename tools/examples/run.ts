import { globSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { give } from './given.ts'

/** Runs the programs of the folders on the command line, one after the other, and tells as JSON what each threw: `{ file: stack }`. */
const { end } = await give()
const failed: Record<string, string> = {}
for (const file of globSync(process.argv.slice(2).map((folder) => `${folder}/*.mjs`)).sort()) {
  try {
    await import(pathToFileURL(file).href)
  } catch (error) {
    failed[file] = error instanceof Error ? `${error.stack}` : String(error)
  }
}
await end()
process.stderr.write(`\nfailed: ${JSON.stringify(failed)}\n`)
process.exit()
