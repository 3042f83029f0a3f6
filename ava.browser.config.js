// npm run test:browser: what needs Chromium.
export default { files: ['.test-build/test/browser/**/*.test.js'], workerThreads: false, timeout: '5m' };
