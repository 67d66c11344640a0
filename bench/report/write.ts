import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { charts } from './charts.ts'
import { type Measurements, read, textOf } from './store.ts'

/** Writes `latest.json` and the charts; suites that did not run this time keep the figures they had. @returns all figures */
export async function write(folder: string, measured: Measurements): Promise<Measurements> {
  await mkdir(folder, { recursive: true })
  const all = new Map([...(await read(join(folder, 'latest.json'))), ...measured])
  const files = new Map([['latest.json', textOf(all)], ...charts(all)])
  for (const [name, text] of files) await writeFile(join(folder, name), text)
  return all
}
