/// <reference lib="esnext.disposable" preserve="true" />

// Names of the platform that public types have: programs without the types of Node or of the web compile too.
declare global {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  interface AbortSignal {}
}

export {};
