import { checkChoice } from '../options.js';
import type { DeviceName } from './device.js';

const names: readonly DeviceName[] = ['cpu', 'cuda'];

let chosen: DeviceName | undefined;

/**
 * Says where the states of samplers, likelihoods and restorations are from now on: on the `cpu`, or on the first GPU (`cuda`). Networks run
 * where they were loaded to run, and what they read and write is copied there and back. The environment variable FASTSDE_DEVICE says what
 * it is at first, else `cpu`. A GPU that cannot be used is an error (LoadError) of the work that needs it; nothing falls back. Never changes a bit.
 *
 * @throws OptionError for another name.
 */
export function setDevice(name: DeviceName): void {
  chosen = checkChoice('device', name, names);
}

/** @internal The device in use. @throws OptionError where the environment names none. */
export function deviceInUse(): DeviceName {
  chosen ??= checkChoice('FASTSDE_DEVICE', process.env['FASTSDE_DEVICE'] || 'cpu', names);
  return chosen;
}
