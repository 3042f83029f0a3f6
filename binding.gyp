{
  # For machines without CMake; not part of the published package, where npm would run it on install.
  "includes": ["native/fastsde.gypi"]
}
