import Glibc

/// Build tool: `bpfembed CLANG SOURCE.bpf.c OUTPUT.swift` compiles one BPF program and writes its object as Swift,
/// `bpfembed --script NAME SOURCE OUTPUT.swift` writes a bpftrace script as Swift.
///
/// An object becomes 64-bit words: statically initialised and nine times faster to compile than bytes. A script becomes
/// a string.
@main
enum BPFEmbed {
    static func main() {
        let arguments = CommandLine.arguments
        if arguments.count == 5, arguments[1] == "--script" {
            return write(scriptSource(name: arguments[2], bytes: read(arguments[3])), to: arguments[4])
        }
        guard arguments.count == 4 else {
            fail("usage: bpfembed CLANG SOURCE.bpf.c OUTPUT.swift, or bpfembed --script NAME SOURCE OUTPUT.swift")
        }
        let (clang, source, output) = (arguments[1], arguments[2], arguments[3])
        let object = output + ".o"
        run(clang, compilerArguments(source: source, object: object))
        let name = baseName(source)
        write(swiftSource(name: name, bytes: read(object)), to: output)
    }

    /// File paths stay out of the object, so that it is the same from every checkout.
    private static func compilerArguments(source: String, object: String) -> [String] {
        #if arch(arm64)
            let (target, multiarch) = ("arm64", "aarch64-linux-gnu")
        #else
            let (target, multiarch) = ("x86", "x86_64-linux-gnu")
        #endif
        let folder = source.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        return [
            "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror", "-D__TARGET_ARCH_\(target)",
            "-I/usr/include/\(multiarch)", "-I\(folder)", "-I\(folder)/include",
            "-ffile-prefix-map=\(folder)=bpf", "-fdebug-compilation-dir=.", "-c", source, "-o", object,
        ]
    }

    private static func baseName(_ source: String) -> String {
        String((source.split(separator: "/").last ?? "").dropLast(".bpf.c".count))
    }

    private static func run(_ program: String, _ arguments: [String]) {
        var argv: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        defer { argv.forEach { free($0) } }
        var pid: pid_t = 0
        let error = posix_spawn(&pid, program, nil, nil, &argv, environ)
        guard error == 0 else { fail("cannot run \(program): \(String(cString: strerror(error)))") }
        var status: CInt = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else { fail("clang refused \(arguments[arguments.count - 3])") }
    }

    private static func read(_ path: String) -> [UInt8] {
        guard let file = fopen(path, "rb") else { fail("cannot read \(path): \(String(cString: strerror(errno)))") }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = fread(&block, 1, block.count, file)
            if count == 0 { return bytes }
            bytes += block[..<count]
        }
    }

    private static func swiftSource(name: String, bytes: [UInt8]) -> String {
        let words = stride(from: 0, to: bytes.count, by: 8).map { start in
            (0..<8).reduce(UInt64(0)) { word, index in
                let byte = start + index < bytes.count ? bytes[start + index] : 0
                return word | UInt64(byte) << UInt64(8 * index)
            }
        }
        let lines = stride(from: 0, to: words.count, by: 8).map { start in
            words[start..<min(start + 8, words.count)].map { "0x" + String($0, radix: 16) }.joined(separator: ",")
        }
        return """
            // Generated from \(name).bpf.c.
            internal import AnomalyModel

            extension ProbeObject {
                static let \(identifier(name)) = ProbeObject(name: "\(name)", size: \(bytes.count), words: [
            \(lines.joined(separator: ",\n"))
                ])
            }

            """
    }

    private static func scriptSource(name: String, bytes: [UInt8]) -> String {
        """
        // Generated from a script of bpftrace/.

        enum \(name) {
            static let text = #\"\"\"
        \(String(decoding: bytes, as: UTF8.self))
        \"\"\"#
        }

        """
    }

    /// `tun_gso` becomes `tunGso`.
    private static func identifier(_ name: String) -> String {
        let parts = name.split(separator: "_").map(String.init)
        return parts.dropFirst().reduce(parts.first ?? "") { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
    }

    private static func write(_ text: String, to path: String) {
        guard let file = fopen(path, "wb") else { fail("cannot write \(path): \(String(cString: strerror(errno)))") }
        let bytes = Array(text.utf8)
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count, fclose(file) == 0 else {
            fail("cannot write \(path): \(String(cString: strerror(errno)))")
        }
    }

    private static func fail(_ text: String) -> Never {
        let line = Array("bpfembed: \(text)\n".utf8)
        _ = Glibc.write(STDERR_FILENO, line, line.count)
        exit(1)
    }
}
