import COneDNN
import COpenBLAS

/// What oneDNN generates code for on this CPU, such as `AVX512_CORE_BF16`.
public var instructionSet: String {
  switch dnnl_get_effective_cpu_isa() {
  case dnnl_cpu_isa_sse41: "SSE41"
  case dnnl_cpu_isa_avx: "AVX"
  case dnnl_cpu_isa_avx2: "AVX2"
  case dnnl_cpu_isa_avx2_vnni: "AVX2_VNNI"
  case dnnl_cpu_isa_avx512_core: "AVX512_CORE"
  case dnnl_cpu_isa_avx512_core_vnni: "AVX512_CORE_VNNI"
  case dnnl_cpu_isa_avx512_core_bf16: "AVX512_CORE_BF16"
  case dnnl_cpu_isa_avx512_core_amx: "AVX512_CORE_BF16_AMX"
  default: "unknown"
  }
}

/// Version of the linked oneDNN.
public var oneDNNVersion: String {
  guard let version = dnnl_version()?.pointee else { return "unknown" }
  return "\(version.major).\(version.minor).\(version.patch)"
}

/// Kernel that OpenBLAS chose when it was loaded; it decides the last bits of factorizations.
public var openBLASKernel: String {
  openblas_get_corename().map { String(cString: $0) } ?? "unknown"
}
