import Glibc

/// The property that is under attack: the name in `FUZZ_PROPERTY`.
private let property = getenv("FUZZ_PROPERTY").flatMap { Property(rawValue: String(cString: $0)) }

/// libFuzzer's way in (https://llvm.org/docs/LibFuzzer.html).
@_cdecl("LLVMFuzzerTestOneInput")
public func checkOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let property else { fatalError("FUZZ_PROPERTY names no property") }
    let input = Array(UnsafeBufferPointer(start: data, count: count))
    if let violation = property.violation(by: input) { fatalError(violation) }
    return 0
}
