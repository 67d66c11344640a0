import type { Attack, Finding, Lab, Rig, RigOptions, Victims } from '../types.ts'

/** What most attacks need: a pool, the subject on it, and two tenants. */
export interface Scene extends Rig, Victims {
  readonly lab: Lab
}

/** An attack on a fresh pool and two fresh tenants; the pool is closed whatever happens. */
export function attack(
  facts: Omit<Attack, 'run'>,
  act: (scene: Scene) => Promise<Finding>,
  options: RigOptions | ((lab: Lab) => RigOptions) = {},
): Attack {
  const run = async (lab: Lab): Promise<Finding> => {
    const victims = await lab.victims()
    const rig = await lab.open(typeof options === 'function' ? options(lab) : options)
    try {
      return await act({ ...rig, ...victims, lab })
    } finally {
      await rig.close()
    }
  }
  return { ...facts, run }
}

/** All levels: what the scope itself keeps. */
export const EVERY = ['schema', 'role', 'login', 'row', 'database'] as const

/** A pool's client needs a connection for what it does behind its transaction. */
export const ROOM = ({ through }: Lab) => ({ max: through === 'pool' ? 2 : 1 })
