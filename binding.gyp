{
  # For machines without CMake; scripts/build-native.mjs writes the targets from native/sources.json and runs node-gyp.
  # Not part of the published package, where npm would run node-gyp on every install.
  "includes": ["targets.gypi"]
}
