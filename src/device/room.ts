import type { Device, Elements, ElementKind } from './device.js';

/** Room on a device for what is needed for a while, by its use. Commands come in order, so that one place serves all of one use. */
export class Room {
  readonly #device: Device;
  readonly #places = new Map<string, Elements>();

  constructor(device: Device) {
    this.#device = device;
  }

  place(use: string, length: number, kind: ElementKind): Elements {
    const key = `${use} ${kind}`;
    let place = this.#places.get(key);
    if (!place || place.length < length) {
      place = this.#device.allocate(length, kind);
      this.#places.set(key, place);
    }
    return this.#device.rows(place, 1, 0, length);
  }
}
