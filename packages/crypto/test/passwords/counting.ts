import { type Argon2, nativeArgon2 } from '../../src/passwords/argon2.ts'

/** The real argon2, counted: calls in all, and the most at once. */
export interface Counting {
  readonly argon2: () => Promise<Argon2>
  /** e.g. `['hash', 'verify m=19456,t=2,p=1']` */
  readonly calls: string[]
  mostAtOnce(): number
}

/** @param work what stands for argon2 (default: argon2) */
export function countingArgon2(work: () => Promise<Argon2> = nativeArgon2): Counting {
  const calls: string[] = []
  let [running, most] = [0, 0]
  const counted = async <T>(call: string, run: (argon2: Argon2) => Promise<T>): Promise<T> => {
    calls.push(call)
    running += 1
    most = Math.max(most, running)
    try {
      return await run(await work())
    } finally {
      running -= 1
    }
  }
  return {
    calls,
    mostAtOnce: () => most,
    argon2: async () => ({
      hash: (password, cost) => counted('hash', (argon2) => argon2.hash(password, cost)),
      verify: (stored, password) =>
        counted(`verify ${stored.split('$')[3]}`, (argon2) => argon2.verify(stored, password)),
    }),
  }
}
