// The mixture, and what one does to it: drag a mode, or move it by the arrow keys, give it a share and a spread.

const ring = Array.from({ length: 8 }, (_, k) => [
  Number((3 * Math.cos((k * Math.PI) / 4)).toFixed(2)),
  Number((3 * Math.sin((k * Math.PI) / 4)).toFixed(2)),
]);

export const presets = {
  'two unequal modes': { weights: [0.8, 0.2], means: [[-2, -1], [2, 1]], spreads: [0.5, 0.5] }, // prettier-ignore
  'a ring of eight': { weights: ring.map(() => 1 / 8), means: ring, spreads: ring.map(() => 0.3) },
  'broad and narrow': { weights: [0.5, 0.5], means: [[-1, 0], [2, 0]], spreads: [1.2, 0.1] }, // prettier-ignore
  'one Gaussian': { weights: [1], means: [[1, 1]], spreads: [0.7] },
};

/** Modes that the page lets one make, and how far from 0 they may be. */
const most = { modes: 12, mean: 6 };

/** The editor of a mixture: buttons over the canvas, and the fields beside it. Calls `onChange` after a change. */
export class Modes {
  mixture = structuredClone(presets['two unequal modes']);
  selected = 0;
  #place = (mean) => mean;
  #unplace = (point) => point;

  constructor(handles, { share, spread, title, add, remove }, onChange) {
    this.handles = handles;
    this.fields = { share, spread, title, add, remove };
    this.onChange = onChange;
    share.addEventListener('input', () => this.#setShare(Number(share.value)));
    spread.addEventListener('input', () => {
      this.mixture.spreads[this.selected] = Number(spread.value);
      this.#changed();
    });
    add.addEventListener('click', () => this.#add());
    remove.addEventListener('click', () => this.#remove());
    this.#make();
  }

  /** Takes another mixture. */
  set(mixture) {
    this.mixture = structuredClone(mixture);
    this.selected = 0;
    this.#make();
    this.#changed();
  }

  /** Puts the handles where the canvas shows the modes, with 0 in its middle and `reach` at its edges. */
  place(reach) {
    this.#place = ([x, y]) => [50 * (x / reach + 1), 50 * (1 - y / reach)];
    this.#unplace = ([left, top]) => [(2 * left - 1) * reach, (1 - 2 * top) * reach];
    for (const [k, handle] of [...this.handles.children].entries()) {
      const [left, top] = this.#place(this.mixture.means[k]);
      handle.style.left = `${left}%`;
      handle.style.top = `${top}%`;
    }
  }

  /** The changed mode keeps its share of all; the others divide the rest as before. */
  #setShare(share) {
    const { weights } = this.mixture;
    const rest = 1 - weights[this.selected];
    if (weights.length > 1)
      this.mixture.weights = weights.map((weight, k) =>
        k === this.selected ? Math.min(share, 0.98) : (weight / rest) * (1 - Math.min(share, 0.98)),
      );
    this.#changed();
  }

  #add() {
    const { weights, means, spreads } = this.mixture;
    const share = 1 / (weights.length + 1);
    this.mixture.weights = [...weights.map((weight) => weight * (1 - share)), share];
    means.push([0, 0]);
    spreads.push(0.4);
    this.selected = weights.length;
    this.#make();
    this.#changed();
  }

  #remove() {
    const without = (list) => list.filter((_, k) => k !== this.selected);
    const { weights, means, spreads } = this.mixture;
    const rest = 1 - weights[this.selected];
    this.mixture = {
      weights: without(weights).map((weight) => weight / rest),
      means: without(means),
      spreads: without(spreads),
    };
    this.selected = 0;
    this.#make();
    this.#changed();
  }

  #make() {
    this.handles.replaceChildren(...this.mixture.weights.map((_, k) => this.#handle(k)));
    this.#show();
  }

  #handle(k) {
    const handle = document.createElement('button');
    handle.type = 'button';
    handle.className = 'handle';
    handle.textContent = String(k + 1);
    handle.addEventListener('focus', () => this.#select(k));
    handle.addEventListener('keydown', (event) => {
      const step = event.shiftKey ? 0.5 : 0.1;
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!move) return;
      event.preventDefault();
      this.#move(k, this.mixture.means[k].map((value, i) => value + step * move[i])); // prettier-ignore
    });
    handle.addEventListener('pointerdown', (event) => {
      handle.setPointerCapture(event.pointerId);
      this.#select(k);
      this.dragging = true;
    });
    handle.addEventListener('pointermove', ({ clientX, clientY }) => {
      if (!this.dragging) return;
      const { left, top, width } = this.handles.parentElement.getBoundingClientRect();
      this.#move(k, this.#unplace([(clientX - left) / width, (clientY - top) / width]));
    });
    for (const end of ['pointerup', 'pointercancel'])
      handle.addEventListener(end, () => {
        if (!this.dragging) return;
        this.dragging = false;
        this.#changed();
      });
    return handle;
  }

  #move(k, mean) {
    this.mixture.means[k] = mean.map((value) =>
      Number(Math.max(-most.mean, Math.min(most.mean, value)).toFixed(2)),
    );
    this.#changed();
  }

  #select(k) {
    this.selected = k;
    this.#show();
  }

  #changed() {
    this.#show();
    this.onChange();
  }

  #show() {
    const { weights, means, spreads } = this.mixture;
    const { share, spread, title, add, remove } = this.fields;
    const k = this.selected;
    title.textContent = `Mode ${k + 1}, at ${means[k].map((value) => value.toFixed(1)).join(' and ')}`;
    share.value = String(weights[k]);
    spread.value = String(spreads[k]);
    share.disabled = weights.length === 1;
    remove.disabled = weights.length === 1;
    add.disabled = weights.length >= most.modes;
    for (const [i, handle] of [...this.handles.children].entries()) {
      const [x, y] = means[i].map((value) => value.toFixed(1));
      handle.setAttribute('aria-pressed', String(i === k));
      handle.setAttribute(
        'aria-label',
        `Mode ${i + 1} at ${x}, ${y}, share ${(100 * weights[i]).toFixed(0)} %`,
      );
    }
  }
}
