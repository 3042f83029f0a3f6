/** How a value was made: by which constructor of the library, with which options. Unlike the value, it is plain data. */
export interface Specification {
  readonly constructedBy: string;
  readonly options: object;
}

const specifications = new WeakMap<object, Specification>();

/** The value, remembered together with how it was made, so that another thread can make one like it. */
export function specified<T extends object>(constructedBy: string, options: object | undefined, value: T): T {
  specifications.set(value, { constructedBy, options: { ...options } });
  return value;
}

/** How the value was made; undefined for one that the library did not make, or that is a changed copy. */
export function specificationOf(value: object): Specification | undefined {
  return specifications.get(value);
}
