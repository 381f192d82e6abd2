/**
 * @module
 * How often a damaged rolling bearing is struck, from its geometry. With n balls of diameter d on a pitch
 * circle D, contact angle a, outer ring at rest, and a shaft that turns once a second:
 *
 *     outer ring   BPFO = n/2 (1 - d/D cos a)
 *     inner ring   BPFI = n/2 (1 + d/D cos a)
 *     ball         BSF  = D/2d (1 - (d/D cos a)²)      a damaged ball strikes twice a turn: see 2 BSF, too
 *     cage         FTF  = 1/2 (1 - d/D cos a)
 *
 * These are orders: times the shaft's frequency they are in Hz. Rolling without slip; measured ones lie
 * a per cent or two lower. (Randall & Antoni, Mech. Syst. Signal Process. 25, 2011, equations 1 to 4.)
 */
import { cos } from "../kernels/elementary.ts";

export interface Bearing {
  readonly balls: number;
  /** In the unit of the pitch diameter. */
  readonly ballDiameter: number;
  readonly pitchDiameter: number;
  /** Default 0. */
  readonly contactDegrees?: number;
}

export const FAULTS = ["bpfo", "bpfi", "bsf", "ftf"] as const;
export type Fault = (typeof FAULTS)[number];

/**
 * Fault frequencies in orders of the shaft's.
 * @throws RangeError for a geometry that cannot be
 */
export function faultOrders({ balls, ballDiameter, pitchDiameter, contactDegrees = 0 }: Bearing): Record<Fault, number> {
  if (!(Number.isSafeInteger(balls) && balls >= 1)) throw new RangeError(`"balls" expected an integer >= 1, got ${balls}`);
  if (!(ballDiameter > 0 && ballDiameter < pitchDiameter && Number.isFinite(pitchDiameter))) {
    throw new RangeError(`"ballDiameter" expected a number above 0 and below the pitch diameter, ${pitchDiameter}, got ${ballDiameter}`);
  }
  if (!(contactDegrees >= 0 && contactDegrees < 90)) throw new RangeError(`"contactDegrees" expected a number from 0 to below 90, got ${contactDegrees}`);
  const ratio = (ballDiameter / pitchDiameter) * cos((contactDegrees * Math.PI) / 180);
  return {
    bpfo: (balls / 2) * (1 - ratio),
    bpfi: (balls / 2) * (1 + ratio),
    bsf: (pitchDiameter / (2 * ballDiameter)) * (1 - ratio * ratio),
    ftf: (1 - ratio) / 2,
  };
}
