/** The kinds of values that are made of a name and options. */
export type Kind = 'sde' | 'predictor' | 'corrector' | 'solver';

/** How a value was made: its kind, its name in the table of that kind, and the options. Unlike the value, it is plain data. */
export interface Specification {
  readonly kind: Kind;
  readonly name: string;
  readonly options: object;
}

const specifications = new WeakMap<object, Specification>();

/** The value, remembered together with how it was made, so that another thread can make one like it. */
export function specified<T extends { readonly name: string }>(
  kind: Kind,
  options: object | undefined,
  value: T,
): T {
  specifications.set(value, { kind, name: value.name, options: { ...options } });
  return value;
}

/** How the value was made; undefined for one that the library did not make, or that is a changed copy. */
export function specificationOf(value: object): Specification | undefined {
  return specifications.get(value);
}
