import Foundation
import PackagePlugin

/// Compiles every `bpf/*.bpf.c` of a target with the toolchain's clang and embeds the objects as Swift source.
@main
struct BPFCompile: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) async throws -> [Command] {
        let folder = target.directoryURL.appending(path: "bpf")
        let sources = try files(in: folder).filter { $0.lastPathComponent.hasSuffix(".bpf.c") }
        // SwiftPM reads no dependency files: every header that a program might include is named.
        let headerFolders = [folder, folder.appending(path: "include"), folder.appending(path: "judge"), folder.appending(path: "judge"), folder.appending(path: "kernel")]
        let headers = try headerFolders.flatMap { try files(in: $0) }.filter { $0.pathExtension == "h" }
        let embed = try context.tool(named: "bpfembed").url
        let clang = try context.tool(named: "clang").url
        return sources.map { source in
            let name = String(source.lastPathComponent.dropLast(".bpf.c".count))
            let output = context.pluginWorkDirectoryURL.appending(path: "\(name).bpf.swift")
            return .buildCommand(
                displayName: "Compiling BPF program \(source.lastPathComponent)",
                executable: embed,
                arguments: [clang.path, source.path, output.path],
                inputFiles: [source] + headers,
                outputFiles: [output])
        }
    }

    private func files(in folder: URL) throws -> [URL] {
        guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .sorted { $0.path < $1.path }
    }
}
