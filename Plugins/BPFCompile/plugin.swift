import Foundation
import PackagePlugin

/// Compiles every `bpf/*.bpf.c` of a target with the toolchain's clang and embeds the objects as Swift source; for the
/// detectors also the scripts that bpftrace runs for the daemon.
@main
struct BPFCompile: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) async throws -> [Command] {
        let folder = target.directoryURL.appending(path: "bpf")
        let sources = try files(in: folder).filter { $0.lastPathComponent.hasSuffix(".bpf.c") }
        // SwiftPM reads no dependency files: every header that a program might include is named.
        let headerFolders = [folder] + ["include", "judge", "kernel"].map { folder.appending(path: $0) }
        let headers = try headerFolders.flatMap { try files(in: $0) }.filter { $0.pathExtension == "h" }
        let embed = try context.tool(named: "bpfembed").url
        let clang = try context.tool(named: "clang").url
        let programs = sources.map { source in
            let name = String(source.lastPathComponent.dropLast(".bpf.c".count))
            let output = context.pluginWorkDirectoryURL.appending(path: "\(name).bpf.swift")
            return Command.buildCommand(
                displayName: "Compiling BPF program \(source.lastPathComponent)",
                executable: embed,
                arguments: [clang.path, source.path, output.path],
                inputFiles: [source] + headers,
                outputFiles: [output])
        }
        guard target.name == "Detectors" else { return programs }
        return programs
            + scripts.map { name, file in
                let source = context.package.directoryURL.appending(path: "bpftrace").appending(path: file)
                let output = context.pluginWorkDirectoryURL.appending(path: "\(name).swift")
                return .buildCommand(
                    displayName: "Embedding \(file)",
                    executable: embed,
                    arguments: ["--script", name, source.path, output.path],
                    inputFiles: [source],
                    outputFiles: [output])
            }
    }

    /// By the name of the type that holds each.
    private let scripts = [
        ("ArpScript", "trace-abnormal-arp-tracepoints.bt"),
        ("TunGSOScript", "tun-abnormal-gso-type-tracepoints.bt"),
    ]

    private func files(in folder: URL) throws -> [URL] {
        guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .sorted { $0.path < $1.path }
    }
}
