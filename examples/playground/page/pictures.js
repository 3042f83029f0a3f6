/** Pixels on a side of a digit. */
export const side = 28;

/** Draws pictures, a byte for every pixel, in a square. */
export function drawPictures(canvas, bytes) {
  const context = canvas.getContext('2d');
  const size = canvas.width;
  const { columns, cell, gap } = layout(canvas, bytes.length / side ** 2);
  context.clearRect(0, 0, size, size);
  context.imageSmoothingEnabled = false;
  for (let i = 0; i < bytes.length / side ** 2; i++) {
    const picture = pictureOf(bytes.subarray(i * side ** 2, (i + 1) * side ** 2));
    const [left, top] = [(i % columns) * cell + gap, Math.floor(i / columns) * cell + gap];
    context.drawImage(picture, left, top, cell - gap, cell - gap);
  }
}

function layout(canvas, count) {
  const columns = Math.ceil(Math.sqrt(count));
  const gap = Math.max(2, Math.round(canvas.width / 200));
  return { columns, gap, cell: Math.floor((canvas.width - gap) / columns) };
}

/** The picture at a place of the canvas, both from 0 to 1; undefined where there is none. */
export function pictureAt(canvas, count, x, y) {
  const { columns, cell } = layout(canvas, count);
  const place = [x, y].map((value) => Math.floor((value * canvas.width) / cell));
  const i = place[1] * columns + place[0];
  return place[0] < columns && i < count ? i : undefined;
}

function pictureOf(bytes) {
  const image = new ImageData(side, side);
  bytes.forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
  const picture = new OffscreenCanvas(side, side);
  picture.getContext('2d').putImageData(image, 0, 0);
  return picture;
}

const hidden = {
  bottom: (row) => row >= side / 2,
  top: (row) => row < side / 2,
  left: (_, column) => column < side / 2,
  right: (_, column) => column >= side / 2,
  middle: (row, column) => Math.max(Math.abs(row - 13.5), Math.abs(column - 13.5)) < 7,
  nothing: () => false,
};

/** A picture of which one paints over what is to be completed. */
export class Mask {
  picture = new Uint8Array(side ** 2);
  hidden = new Uint8Array(side ** 2);
  #cursor = [13, 13];

  constructor(canvas) {
    this.canvas = canvas;
    canvas.width = canvas.height = side * 8;
    let value;
    const paint = ({ offsetX, offsetY }) => {
      const [column, row] = [offsetX, offsetY].map((place) =>
        Math.floor((place / canvas.clientWidth) * side),
      );
      value ??= 1 - this.hidden[row * side + column];
      for (let i = -1; i <= 1; i++) for (let j = -1; j <= 1; j++) this.#set(row + i, column + j, value);
      this.draw();
    };
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      value = undefined;
      paint(event);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (event.buttons) paint(event);
    });
    canvas.addEventListener('keydown', (event) => this.#key(event));
    for (const change of ['focus', 'blur']) canvas.addEventListener(change, () => this.draw());
    this.hide('bottom');
  }

  hide(what) {
    for (let i = 0; i < side ** 2; i++) this.hidden[i] = Number(hidden[what](Math.floor(i / side), i % side));
    this.draw();
  }

  show(picture) {
    this.picture = picture;
    this.draw();
  }

  /** A character for each pixel, 1 where it is known. */
  get known() {
    return Array.from(this.hidden, (value) => 1 - value).join('');
  }

  #set(row, column, value) {
    if (Math.min(row, column) >= 0 && Math.max(row, column) < side) this.hidden[row * side + column] = value;
  }

  #key(event) {
    const [row, column] = this.#cursor;
    const moved = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
    }[event.key];
    if (!moved && event.key !== ' ') return;
    event.preventDefault();
    if (moved) this.#cursor = moved.map((place) => Math.max(0, Math.min(side - 1, place)));
    else this.#set(row, column, 1 - this.hidden[row * side + column]);
    this.draw();
  }

  draw() {
    const { canvas } = this;
    const context = canvas.getContext('2d');
    const style = getComputedStyle(canvas);
    context.imageSmoothingEnabled = false;
    context.drawImage(pictureOf(this.picture), 0, 0, canvas.width, canvas.width);
    context.fillStyle = style.getPropertyValue('--density');
    this.hidden.forEach((value, i) => {
      if (value) context.fillRect((i % side) * 8, Math.floor(i / side) * 8, 8, 8);
    });
    if (document.activeElement !== canvas) return;
    const [row, column] = this.#cursor;
    context.strokeStyle = style.getPropertyValue('--points');
    context.lineWidth = 3;
    context.strokeRect(column * 8, row * 8, 8, 8);
  }
}
