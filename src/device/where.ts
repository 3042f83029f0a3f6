import { checkChoice } from '../options.js';
import type { DeviceName } from './device.js';

const names: readonly DeviceName[] = ['cpu', 'cuda'];

let chosen: DeviceName | undefined;

/**
 * Says where the states of samplers, likelihoods and restorations are from now on: on the `cpu`, or on the first GPU (`cuda`). The environment
 * variable FASTSDE_DEVICE says so at first. Where neither does, they are where the network runs: on the GPU for one that was loaded with the
 * provider `cuda` by a build with kernels, else on the CPU. What a network elsewhere reads and writes is copied there and back. A GPU that cannot
 * be used is an error (LoadError) of the work that needs it; nothing falls back. Never changes a bit.
 *
 * @throws OptionError for another name.
 */
export function setDevice(name: DeviceName): void {
  chosen = checkChoice('device', name, names);
}

/** @internal The device that was chosen, if one was. @throws OptionError where the environment names none. */
export function chosenDevice(): DeviceName | undefined {
  const asked = process.env['FASTSDE_DEVICE'];
  if (chosen === undefined && asked) chosen = checkChoice('FASTSDE_DEVICE', asked, names);
  return chosen;
}
