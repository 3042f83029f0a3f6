/**
 * Data sets and where they come from; arrays, tables and charts as files.
 *
 * @module data
 */
import './globals.js';

export { decodeNpy, encodeNpy, type NdArray, type NumericArray } from './io/npy.js';
export { decodeNpz, encodeNpz } from './io/npz.js';
export { encodeCsv } from './io/csv.js';
export { writeHistogram, type Histogram } from './io/histogram.js';
export { writeChart, writeCharts, type Chart, type Charts, type Curve } from './io/chart.js';
export { loadData, type LoadDataOptions } from './data/load.js';
export type { PictureOptions } from './data/pictures.js';
export { holdOut, modelValues, type Dataset, type DataSpace } from './data/dataset.js';
export { eightGaussians, toys, type Toy, type ToyName, type ToyOptions } from './data/toys.js';
export { dataFolder, mnist, type Split } from './data/mnist.js';
export { decodeIdx } from './data/idx.js';
export { decodeCifar10 } from './data/cifar10.js';
export { readImage, type FitOptions } from './io/image.js';
