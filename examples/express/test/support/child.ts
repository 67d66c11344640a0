import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/** The hub as a process of its own, as it is deployed. */
export interface RunningHub {
  readonly base: string
  /** Everything it wrote, line by line. */
  readonly lines: string[]
  readonly process: ChildProcess
  /** Its exit code, when it has ended. */
  readonly ended: Promise<number | null>
}

/** What a program has of ours: where to find others, and where what it reads is compiled already. */
export const inherited = (): NodeJS.ProcessEnv => {
  const { PATH, NODE_COMPILE_CACHE } = process.env
  return { PATH, NODE_COMPILE_CACHE }
}

/** Starts a program in `folder` and waits until it listens. */
export async function startHub(
  folder: string,
  environment: NodeJS.ProcessEnv,
  flags: readonly string[] = [],
  program = 'src/start.ts',
): Promise<RunningHub> {
  const child = spawn(process.execPath, [...flags, program], {
    cwd: folder,
    env: { ...inherited(), PORT: '0', WORKER_PORT: '0', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close').then(([code]: (number | null)[]) => code ?? null)
  const lines: string[] = []
  const port = await new Promise<number>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      lines.push(...chunk.toString().split('\n').filter(Boolean))
      const found = lines.map((line) => /"port":(\d+)/.exec(line)?.[1]).find(Boolean)
      if (found) resolve(Number(found))
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    void ended.then((code) => reject(new Error(`the hub ended with ${code}:\n${lines.join('\n')}`)))
  })
  return { base: `http://127.0.0.1:${port}`, lines, process: child, ended }
}
