import { h } from 'vue';
import DefaultTheme from 'vitepress/theme';
import 'katex/dist/katex.min.css';
import digits from '../../images/digits.png';
import './style.css';

const picture = () =>
  h('img', { class: 'VPImage image-src', src: digits, alt: 'Sixteen digits drawn by the embedded model' });

export default {
  extends: DefaultTheme,
  Layout: () => h(DefaultTheme.Layout, null, { 'home-hero-image': picture }),
};
