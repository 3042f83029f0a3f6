import { embeddedClassifier, embeddedModel, guide, loadClassifier, loadModel } from '../../dist/index.js';

const conditional = await loadModel(embeddedModel('conditional'));
const unconditional = await loadModel(embeddedModel('vp'));
const classifier = await loadClassifier(embeddedClassifier());

/** An embedded network of digits under guidance of a kind, `classifier-free` or `classifier`. */
export function guided(kind, scale) {
  if (kind === 'classifier') return guide(unconditional, { kind, classifier, scale });
  return guide(conditional, { kind, scale });
}
