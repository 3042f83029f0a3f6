import { readdir } from 'node:fs/promises';
import { extname, join, posix, relative, sep } from 'node:path';
import { DataError } from '../errors.js';
import { decodeImage, planes, readImage, type FitOptions, type Picture } from '../io/image.js';
import type { Dataset } from './dataset.js';
import { splits, type Split } from './mnist.js';
import { readTar } from './tar.js';

const endings = ['.png', '.jpg', '.jpeg', '.webp', '.tif', '.tiff', '.avif', '.gif', '.svg'];

/** Hidden files are none: archives made on macOS hold one beside every picture. */
const isPicture = (path: string): boolean =>
  endings.includes(extname(path).toLowerCase()) && !posix.basename(path).startsWith('.');

const isSplit = (folder: string | undefined): boolean => splits.some((split) => split === folder);

/** Which pictures are read, and what becomes of those that cannot be. */
export interface PictureOptions extends FitOptions {
  /** Which of the folders `train` and `test` is read, where the source has these. Default `test`. */
  readonly split?: Split;
  /**
   * Called with what is wrong with a picture that cannot be read; it is then left out, and the set has a warning that says how
   * many were. By default the error is thrown.
   */
  readonly onCorrupted?: (error: DataError) => void;
  /** Stops between two pictures. */
  readonly signal?: AbortSignal;
}

/**
 * The pictures below a folder in the order of their paths. Where they lie in sub-folders, the first of these names the
 * class; folders that all pictures share, and `train` and `test` above the classes, are passed over.
 *
 * @throws DataError where there are none, where one cannot be read, or where their sizes differ.
 */
export async function pictureFolder(folder: string, options: PictureOptions = {}): Promise<Dataset> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory() && isPicture(entry.name))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'));
  return pictureSet(folder, paths, options, (path, fit) => readImage(join(folder, path), fit));
}

/** The pictures in a tar archive, laid out and read as those of {@link pictureFolder}. */
export async function pictureArchive(archive: string, options: PictureOptions = {}): Promise<Dataset> {
  const files = await readTar(archive, isPicture, options.signal);
  return pictureSet(archive, [...files.keys()], options, (path, fit) =>
    decodeImage(files.get(path)!, fit, `${path} in ${archive}`),
  );
}

/** Pictures that are read at once: enough to keep the decoder's threads busy. */
const readAtOnce = 64;

async function pictureSet(
  source: string,
  paths: readonly string[],
  options: PictureOptions,
  read: (path: string, fit: FitOptions) => Promise<Picture>,
): Promise<Dataset> {
  const { pictures, classNames } = layOut(source, paths, options.split ?? 'test');
  const { size, onCorrupted } = options;
  const labels: number[] = [];
  let first: Named | undefined;
  let data = new Uint8Array(0);
  for (let start = 0, end = 0; start < pictures.length; start = end) {
    options.signal?.throwIfAborted();
    end = start + (first ? readAtOnce : 1);
    const channels = first?.channels ?? options.channels;
    const fit = { ...(size && { size }), ...(channels && { channels }) };
    const batch = pictures.slice(start, end);
    const decoded = await Promise.all(
      batch.map(({ path }) =>
        read(path, fit).catch((error: unknown) => {
          if (!onCorrupted || !(error instanceof DataError)) throw error;
          onCorrupted(error);
        }),
      ),
    );
    for (const [i, picture] of decoded.entries()) {
      const { path, label } = batch[i]!;
      if (!picture) continue;
      if (!first) {
        first = { ...picture, path };
        data = new Uint8Array(pictures.length * picture.data.length);
      }
      checkSize({ ...picture, path }, first);
      data.set(planes(picture), labels.length * picture.data.length);
      labels.push(label);
    }
  }
  if (!first) {
    throw new DataError(`None of the ${pictures.length} pictures of ${source} can be read.`, {
      option: 'data',
      value: source,
    });
  }
  const lost = pictures.length - labels.length;
  return {
    data: data.subarray(0, labels.length * first.data.length),
    shape: [labels.length, first.channels, first.height, first.width],
    ...(classNames && { labels: Int32Array.from(labels), classNames }),
    ...(lost > 0 && {
      warnings: [`${source}: ${lost} picture${lost === 1 ? '' : 's'} that cannot be read left out.`],
    }),
  };
}

function checkSize(picture: Named, first: Named): void {
  if (picture.height === first.height && picture.width === first.width) return;
  throw new DataError(
    `${picture.path} is ${picture.width} x ${picture.height} pixels, ${first.path} ${first.width} x ${first.height}. ` +
      'Give a size to which all are scaled and cropped (--resize).',
    { option: 'size' },
  );
}

type Named = Picture & { readonly path: string };

interface Layout {
  readonly pictures: readonly { readonly path: string; readonly label: number }[];
  readonly classNames?: readonly string[];
}

/** Which pictures belong to the split, and the class that the folder of each names. */
function layOut(source: string, paths: readonly string[], split: Split): Layout {
  const fail = (message: string): never => {
    throw new DataError(message, { option: 'data', value: source });
  };
  if (paths.length === 0) fail(`${source} holds no pictures (${endings.join(', ')}).`);
  const all = paths.toSorted().map((path) => ({ path, folders: path.split('/').slice(0, -1) }));
  const shared = sharedFolders(all.map(({ folders }) => folders));
  const parted = all.every(({ folders }) => isSplit(folders[shared]));
  const chosen = parted ? all.filter(({ folders }) => folders[shared] === split) : all;
  if (chosen.length === 0) fail(`${source} holds no folder ${split}.`);
  const level = parted ? shared + 1 : shared;
  const loose = chosen.filter(({ folders }) => folders.length === level);
  if (loose.length === chosen.length) return { pictures: chosen.map(({ path }) => ({ path, label: 0 })) };
  if (loose.length > 0)
    fail(`${source} holds pictures in class folders, and ${loose[0]!.path} beside these.`);
  // Classes of both splits, so that a class has one label in either.
  const classNames = [...new Set(all.map(({ folders }) => folders[level]!))].sort();
  const pictures = chosen.map(({ path, folders }) => ({ path, label: classNames.indexOf(folders[level]!) }));
  return { pictures, classNames };
}

/** How many leading folders all paths have in common, before one that names a split. */
function sharedFolders(paths: readonly (readonly string[])[]): number {
  const [first, ...others] = paths;
  let depth = 0;
  for (const name of first!) {
    if (isSplit(name) || others.some((folders) => folders[depth] !== name)) break;
    depth++;
  }
  return depth;
}
