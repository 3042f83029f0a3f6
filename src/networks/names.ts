/** The kinds of networks; nothing is imported, so that they load at once. */
export const networkKinds = ['mlp', 'unet', 'classifier'] as const;
