{
  # The build without CMake (CPU only). Commands run in the folder of binding.gyp; all lists come from sources.json.
  "variables": {
    "core_sources": ["<!@(node -p \"require('./native/sources.json').core.join(' ')\")"],
    "kernel_sources": ["<!@(node -p \"require('./native/sources.json').kernels.join(' ')\")"],
    "kernel_flags": ["<!@(node -p \"require('./native/sources.json').kernelFlags.join(' ')\")"],
    "definitions": ["<!@(node -p \"require('./native/sources.json').defines.join(' ')\")"],
    "flags": ["-std=c++20", "-fvisibility=hidden", "-fvisibility-inlines-hidden", "-fexceptions"]
  },
  "target_defaults": {
    "default_configuration": "Release",
    "cflags_cc!": ["-fno-exceptions", "-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["<@(flags)"],
    "xcode_settings": { "OTHER_CPLUSPLUSFLAGS": ["<@(flags)"], "GCC_ENABLE_CPP_EXCEPTIONS": "YES" }
  },
  "targets": [
    {
      "target_name": "fastsde",
      "sources": ["<@(core_sources)"],
      "defines": ["<@(definitions)"],
      "include_dirs": [
        "<!(node -p \"require('node-api-headers').include_dir\")",
        "<!(node -p \"require('node-addon-api').include_dir\")"
      ],
      "conditions": [
        ["target_arch=='x64'", { "dependencies": ["kernels_baseline", "kernels_avx2", "kernels_avx512"] }],
        ["target_arch=='arm64'", { "dependencies": ["kernels_neon"] }],
        ["target_arch!='x64' and target_arch!='arm64'", { "dependencies": ["kernels_baseline"] }],
        ["OS=='linux'", { "libraries": ["-pthread"], "ldflags": ["-Wl,--exclude-libs,ALL", "-Wl,--gc-sections"] }]
      ]
    }
  ],
  "conditions": [
    ["target_arch!='arm64'", {
      "targets": [{
        "target_name": "kernels_baseline", "type": "static_library",
        "sources": ["<@(kernel_sources)"], "defines": ["FASTSDE_ISA=baseline"], "cflags_cc": ["<@(kernel_flags)"],
        "xcode_settings": { "OTHER_CPLUSPLUSFLAGS": ["<@(kernel_flags)"] }
      }]
    }, {
      "targets": [{
        "target_name": "kernels_neon", "type": "static_library",
        "sources": ["<@(kernel_sources)"], "defines": ["FASTSDE_ISA=neon"], "cflags_cc": ["<@(kernel_flags)"],
        "xcode_settings": { "OTHER_CPLUSPLUSFLAGS": ["<@(kernel_flags)"] }
      }]
    }],
    ["target_arch=='x64'", {
      "variables": {
        "avx2_flags": ["<!@(node -p \"require('./native/sources.json').isas.x64.avx2.join(' ')\")"],
        "avx512_flags": ["<!@(node -p \"require('./native/sources.json').isas.x64.avx512.join(' ')\")"]
      },
      "targets": [
        {
          "target_name": "kernels_avx2", "type": "static_library",
          "sources": ["<@(kernel_sources)"], "defines": ["FASTSDE_ISA=avx2"],
          "cflags_cc": ["<@(kernel_flags)", "<@(avx2_flags)"],
          "xcode_settings": { "OTHER_CPLUSPLUSFLAGS": ["<@(kernel_flags)", "<@(avx2_flags)"] }
        },
        {
          "target_name": "kernels_avx512", "type": "static_library",
          "sources": ["<@(kernel_sources)"], "defines": ["FASTSDE_ISA=avx512"],
          "cflags_cc": ["<@(kernel_flags)", "<@(avx512_flags)"],
          "xcode_settings": { "OTHER_CPLUSPLUSFLAGS": ["<@(kernel_flags)", "<@(avx512_flags)"] }
        }
      ]
    }]
  ]
}
